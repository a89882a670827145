import base64
import datetime as dt
import gzip
import io
import socket
import zlib
from collections.abc import Callable, Generator
from decimal import Decimal

import lz4.frame
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from lf_export_localstack_tests.integration.clickhouse_server.server_process import (
    PASSWORD,
    USER,
    ServerProcess,
    wait_for,
)

pytestmark = [pytest.mark.services, pytest.mark.long]

LINES = b'{"id":1,"name":"it\'s \\n 1"}\n{"id":2,"name":"\\u00fc","tags":{"a":"b"}}\n'
COUNT = "SELECT count(), sum(id) FROM {}"


def arrow_stream(rows: int) -> bytes:
    batch = pa.RecordBatch.from_pydict({"id": range(rows), "name": ["x"] * rows})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def in_two_members(data: bytes) -> bytes:
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_native_rows_come_back_as_they_went(
    server: ServerProcess, table: str, compression: bool | str
) -> None:
    at = dt.datetime(2024, 2, 29, 12, 34, 56, 789000, tzinfo=dt.UTC)
    rows = [
        (1, "a'b\n\\ü", {"k": "v"}, None, Decimal("1.500000")),
        (2, "", {}, at.replace(tzinfo=None), Decimal("-0.000001")),
    ]
    client = server.client(compress=compression)
    assert client.insert(table, rows).written_rows == 2
    assert client.query(f"SELECT * FROM {table} ORDER BY id").result_rows == rows


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        (None, bytes),
        ("gzip", gzip.compress),
        ("gzip", in_two_members),
        ("deflate", zlib.compress),
        ("lz4", lz4.frame.compress),
        ("zstd", zstandard.compress),
    ],
)
def test_compressed_json_lines_are_read(
    client: Client, table: str, encoding: str | None, encode: Callable[[bytes], bytes]
) -> None:
    summary = client.raw_insert(
        table, ["id", "name", "tags"], encode(LINES), fmt="JSONEachRow", compression=encoding
    )
    assert summary.written_rows == 2
    found = client.query(f"SELECT id, name, tags FROM {table} ORDER BY id").result_rows
    assert found == [(1, "it's \n 1", {}), (2, "ü", {"a": "b"})]


@pytest.mark.parametrize(
    ("format_name", "data"),
    [
        ("TSV", b"1\tx\n2\ty\n"),
        ("CSV", b'1,"x"\n2,"y"\n'),
        ("CSVWithNames", b"name,id\nx,1\ny,2\n"),
        ("Values", b"(1, 'x'), (1 + 1, upper('y'))"),
        ("ArrowStream", arrow_stream(3)),
    ],
)
def test_input_formats_are_read(client: Client, table: str, format_name: str, data: bytes) -> None:
    client.raw_insert(table, ["id", "name"], data, fmt=format_name)
    assert client.query(COUNT.format(table)).result_rows[0][1] == 3


def test_values_in_the_statement_may_be_parameters(client: Client, table: str) -> None:
    sql = f"INSERT INTO {table} (id, name) VALUES ({{a:UInt32}}, {{b:String}}), (8, 'format TSV')"
    client.command(sql, parameters={"a": 7, "b": "it's\n"})
    found = client.query(f"SELECT id, name FROM {table} ORDER BY id").result_rows
    assert found == [(7, "it's\n"), (8, "format TSV")]


def test_a_large_insert_in_chunks_arrives_whole(client: Client, table: str) -> None:
    line = b"1\t" + b"x" * 1000 + b"\n"

    def pieces() -> Generator[bytes, None, None]:
        for _ in range(100):
            yield line * 1000

    client.raw_insert(table, ["id", "name"], pieces(), fmt="TSV")
    assert client.query(COUNT.format(table)).result_rows == [(100_000, 100_000)]


def test_refused_data_is_an_error_and_the_connection_lives_on(client: Client, table: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(table, ["id", "name"], b"no number\tx\n" * 200_000, fmt="TSV")
    assert caught.value.code == 27
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(table, ["id"], b"not gzip", fmt="TSV", compression="gzip")
    assert caught.value.code == 354
    assert client.query(COUNT.format(table)).result_rows == [(0, 0)]


@pytest.mark.parametrize("length", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_client_that_goes_within_an_insert_inserts_nothing(
    server: ServerProcess, client: Client, table: str, length: bytes
) -> None:
    sql = f"INSERT INTO {table} (id, name) FORMAT TSV\n1\tcut off\n".encode()
    size = b"%x\r\n" % len(sql) if b"chunked" in length else b""
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    head = b"POST /?query_id=cut HTTP/1.1\r\nAuthorization: Basic " + token + b"\r\n" + length
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"\r\n\r\n" + size + sql)
    gone = server.log.read_text().count("client gone")
    wait_for(lambda: server.log.read_text().count("client gone") >= max(gone, 1))
    assert client.query(COUNT.format(table)).result_rows == [(0, 0)]
