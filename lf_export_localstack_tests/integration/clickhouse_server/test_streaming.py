import base64
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from urllib3.exceptions import HTTPError

from lf_export_localstack.clickhouse_server.native import Connection
from lf_export_localstack_tests.integration.clickhouse_server.server_process import (
    PASSWORD,
    USER,
    ServerProcess,
    wait_for,
)

pytestmark = [pytest.mark.services, pytest.mark.long]

FORMATS = [
    *("TabSeparated", "TSVWithNamesAndTypes", "CSV", "CSVWithNames", "JSON", "JSONEachRow"),
    *("JSONCompact", "Native", "RowBinary", "ArrowStream", "Arrow", "Parquet", "Pretty", "Values"),
    *("Vertical", "XML", "Markdown"),
]
ROWS = "SELECT number AS n, 'it''s ' || toString(number) AS s, [number] AS l FROM numbers({})"
QUIET = {"output_format_write_statistics": 0}
BREAKS = "SELECT throwIf(number = 3000000) AS x, repeat('a', 50) AS s FROM numbers(10000000)"
EARLY = {"http_response_buffer_size": 1, "max_block_size": 100, "wait_end_of_query": 0}
BREAKS_EARLY = "SELECT number, throwIf(number = 1000) AS x FROM numbers(2000)"
ENDLESS = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    connection = Connection(str(tmp_path_factory.mktemp("one-shot")))
    yield connection
    connection.close()


def running(client: Client, text: str) -> int:
    sql = "SELECT count() FROM system.processes WHERE query LIKE {t:String}"
    found = client.query(sql, parameters={"t": f"{text}%"}).result_rows
    return int(found[0][0])


@pytest.mark.parametrize("rows", [0, 3, 50_000])
@pytest.mark.parametrize("format_name", FORMATS)
def test_streamed_bytes_are_those_of_the_engine(
    server: ServerProcess, client: Client, local: Connection, format_name: str, rows: int
) -> None:
    sql = ROWS.format(rows)
    expected, _ = local.run(f"{sql} SETTINGS output_format_write_statistics = 0", format_name)
    named = client.raw_query(f"{sql} -- trailing words\n", fmt=format_name, settings=QUIET)
    assert named == expected
    with server.stream(client, sql, format_name, settings=QUIET) as response:
        assert response.read() == expected


def test_a_large_result_does_not_grow_the_server(client: Client, server: ServerProcess) -> None:
    sql = "SELECT number, repeat('x', 1000) AS s FROM numbers({n:UInt64})"
    client.raw_query(sql, fmt="Native", parameters={"n": 1_000_000})
    before, peak, size = server.rss_bytes, 0, 0
    with server.stream(client, sql, "Native", parameters={"n": 3_000_000}) as response:
        while data := response.read(8 << 20):
            size += len(data)
            peak = max(peak, server.rss_bytes)
    assert size > 3_000_000_000
    assert peak - before < 300e6


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
def test_results_are_compressed_as_the_client_asks(server: ServerProcess, encoding: str) -> None:
    client = server.client(compress=encoding)
    assert sum(client.query_np("SELECT number FROM numbers(2000000)")[:, 0]) == 1999999000000
    asks = {"Accept-Encoding": encoding}
    with server.stream(
        client,
        "SELECT 1 FROM numbers(1000000)",
        "CSV",
        settings={"enable_http_compression": 1},
        transport_settings=asks,
    ) as response:
        assert response.headers["Content-Encoding"] == encoding


@pytest.mark.parametrize("compress", [False, "gzip", "lz4", "zstd"])
@pytest.mark.parametrize(("sql", "settings"), [(BREAKS, {}), (BREAKS_EARLY, EARLY)])
def test_an_exception_in_mid_stream_raises_with_its_code(
    server: ServerProcess, compress: str | bool, sql: str, settings: dict[str, int]
) -> None:
    client = server.client(compress=compress)
    with (
        pytest.raises(StreamFailureError) as caught,
        client.query_row_block_stream(sql, settings=settings) as blocks,
    ):
        for _ in blocks:
            pass
    assert caught.value.code == 395


@pytest.mark.parametrize("format_name", ["ArrowStream", "JSON", "CSV", "Native", "XML"])
@pytest.mark.parametrize(("sql", "settings"), [(BREAKS, {}), (BREAKS_EARLY, EARLY)])
def test_an_exception_in_mid_stream_breaks_a_raw_stream(
    server: ServerProcess, client: Client, sql: str, settings: dict[str, int], format_name: str
) -> None:
    with (
        server.stream(client, sql, format_name, settings=settings) as response,
        pytest.raises(HTTPError),
    ):
        response.read()


@pytest.mark.parametrize(("sql", "settings"), [(BREAKS, {}), (BREAKS_EARLY, EARLY)])
def test_an_exception_in_mid_stream_never_ends_an_arrow_stream_early(
    server: ServerProcess, client: Client, sql: str, settings: dict[str, int]
) -> None:
    with (
        server.stream(client, sql, "ArrowStream", settings=settings) as response,
        pytest.raises((HTTPError, pa.ArrowInvalid, OSError)),
    ):
        pa.ipc.open_stream(response).read_all()


def test_an_exception_before_the_first_byte_is_an_ordinary_error(client: Client) -> None:
    for settings in ({}, {"wait_end_of_query": 1}):
        with pytest.raises(DatabaseError) as caught:
            client.raw_stream(BREAKS_EARLY, fmt="ArrowStream", settings=settings)
        assert caught.value.code == 395


def test_requests_run_in_parallel(server: ServerProcess, client: Client) -> None:
    sql = "SELECT sleepEachRow(1) /* parallel */ FROM numbers(3)"
    clients = [server.client(dedicated_pool=True) for _ in range(4)]
    threads = [threading.Thread(target=each.query, args=(sql,)) for each in clients]
    for thread in threads:
        thread.start()
    wait_for(lambda: running(client, "SELECT sleepEachRow(1) /* parallel */") == len(threads))
    for thread, each in zip(threads, clients, strict=True):
        thread.join()
        each.close()


@pytest.mark.parametrize(
    ("name", "sql"),
    [("silent", ENDLESS), ("talking", "SELECT number, repeat('x', 100) FROM system.numbers")],
)
def test_a_client_that_disconnects_cancels_its_query(
    server: ServerProcess, client: Client, name: str, sql: str
) -> None:
    text = f"/* {name} */ {sql}"
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/", text.encode(), {"Authorization": f"Basic {token}"})
    wait_for(lambda: running(client, text) == 1)
    connection.close()
    wait_for(lambda: running(client, text) == 0)


def test_more_queries_than_places_wait_and_then_fail(tmp_path: Path) -> None:
    options = ("--max-queries", "1", "--queue-wait-seconds", "0.2")
    server = ServerProcess.start(tmp_path / "data", tmp_path / "log", *options)
    client, other = server.client(), server.client()
    with (
        server.stream(client, "SELECT number FROM system.numbers", "Native"),
        pytest.raises(DatabaseError) as caught,
    ):
        other.query("SELECT 1")
    assert caught.value.code == 202
    wait_for(lambda: _answers(other))
    assert server.stop() == 0


def _answers(client: Client) -> bool:
    try:
        return client.command("SELECT 1") == 1
    except DatabaseError:
        return False
