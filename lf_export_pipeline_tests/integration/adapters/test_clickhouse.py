"""What is ClickHouse's alone: types, settings, provenance, bounds, and streams that break."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psutil
import pyarrow as pa
import pytest
import tenacity

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.core.errors import (
    ConfigurationError,
    ExportError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.core.query.statement import PARAM_MAX_BYTES, Params, Statement, Store
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Cut,
    Refuse,
    Request,
    Spoiling,
    proxy,
)

pytestmark = pytest.mark.services


def clickhouse_statement(sql: str, **params: Any) -> Statement:
    return Statement(store=Store.CLICKHOUSE, sql=sql, params=params)


def test_texts_are_plain_strings_of_valid_utf8(clickhouse: ClickHouseReader) -> None:
    sql = (
        "SELECT toLowCardinality('low') AS low, unhex('61FF62') AS broken, "
        "[unhex('FF'), 'ok'] AS list, CAST(NULL AS Nullable(String)) AS nothing"
    )
    with clickhouse.batches(clickhouse_statement(sql)) as batches:
        batch = next(batches)
    assert batch.schema.field("low").type == pa.string()
    assert batch.to_pylist() == [
        {"low": "low", "broken": "a\ufffdb", "list": ["\ufffd", "ok"], "nothing": None}
    ]


def test_a_reader_that_is_closed_leaves_no_connection_open(settings: Settings) -> None:
    port = urlsplit(settings.clickhouse_url).port
    reader = ClickHouseReader(settings)
    before = open_connections(port)
    reader.rows(clickhouse_statement("SELECT 1"))
    assert open_connections(port) > before
    reader.close()
    assert open_connections(port) == before


def open_connections(port: int | None) -> int:
    """Those of this process to a port."""
    found = psutil.Process().net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == port for each in found)


def test_an_instant_keeps_its_fraction(clickhouse: ClickHouseReader) -> None:
    moment = datetime(2031, 3, 20, 12, 0, 0, 123_000, tzinfo=UTC)
    sql = "SELECT toString({moment:DateTime64(3, 'UTC')})"
    found = clickhouse.rows(clickhouse_statement(sql, moment=moment))
    assert found == [("2031-03-20 12:00:00.123",)]


def test_parameters_of_any_size_arrive(clickhouse: ClickHouseReader) -> None:
    params = Params()
    text, many = "ä'\\" * PARAM_MAX_BYTES, [f"id-{number}" for number in range(50_000)]
    sql = f"SELECT length({params.text(text)}), length({params.array(many)})"
    found = clickhouse.rows(clickhouse_statement(sql, **params.values))
    assert found == [(len(text.encode()), len(many))]


def test_queries_carry_their_provenance(clickhouse: ClickHouseReader) -> None:
    tags = {"export_id": "e'1\"\n", "run_id": "r"}
    statement = clickhouse_statement("SELECT getSetting('log_comment')")
    found = clickhouse.tagged(**tags).tagged(op="stream_chunks").rows(statement)
    assert json.loads(str(found[0][0])) == tags | {"op": "stream_chunks"}


def test_memory_and_time_of_a_query_are_bounded(settings_with: SettingsWith) -> None:
    reader = ClickHouseReader(
        settings_with(LF_EXPORT_CLICKHOUSE_MEMORY_MIB="64", LF_EXPORT_CLICKHOUSE_THREADS="1")
    )
    asked = clickhouse_statement(
        "SELECT toInt64(getSetting('max_execution_time')), toInt64(getSetting('max_threads'))"
    )
    assert reader.rows(asked) == [(185, 1)]
    with pytest.raises(TransientError, match="241"):
        reader.rows(
            clickhouse_statement("SELECT length(groupArray(number)) FROM numbers(50000000)")
        )


def test_a_sort_larger_than_its_memory_goes_to_disk(settings_with: SettingsWith) -> None:
    reader = ClickHouseReader(
        settings_with(LF_EXPORT_CLICKHOUSE_MEMORY_MIB="300", LF_EXPORT_CLICKHOUSE_THREADS="1")
    )
    sql = (
        "SELECT count(), max(length(text)) FROM (SELECT repeat(toString(sipHash64(number)), 40) AS "
        "text FROM numbers(600000) ORDER BY sipHash64(number, 1) LIMIT 599999)"
    )
    assert reader.rows(clickhouse_statement(sql)) == [(599_999, 800)]


def test_threads_share_a_reader(clickhouse: ClickHouseReader) -> None:
    statement = clickhouse_statement("SELECT number FROM numbers(100000)")

    def total(_: int) -> int:
        with clickhouse.batches(statement) as batches:
            return sum(batch.num_rows for batch in batches)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(total, range(16))) == [100_000] * 16


def test_events_are_read_where_their_setting_says(settings_with: SettingsWith) -> None:
    settings = settings_with(CLICKHOUSE_EVENTS_READ_ONLY_URL="http://127.0.0.1:9")
    reader = ClickHouseReader(settings)
    assert reader.rows(clickhouse_statement("SELECT 1")) == [(1,)]
    with pytest.raises(TransientError, match="CLICKHOUSE_EVENTS_READ_ONLY_URL"):
        reader.rows(Statement(store=Store.EVENTS, sql="SELECT 1"))


def test_a_result_that_fails_after_its_first_batch_raises_the_servers_reason(
    clickhouse: ClickHouseReader,
) -> None:
    sql = "SELECT randomString(1000), throwIf(number = 50000) FROM numbers(60000)"
    arrived: list[pa.RecordBatch] = []
    with (
        pytest.raises(PermanentError, match="395"),
        clickhouse.batches(clickhouse_statement(sql)) as batches,
    ):
        arrived.extend(batches)
    assert 0 < sum(batch.num_rows for batch in arrived) < 50_000


@pytest.mark.parametrize("missing", [1, 8, 9, 200])
def test_a_server_that_dies_in_the_middle_is_noticed(
    settings_with: SettingsWith, missing: int
) -> None:
    with proxy(settings_with().clickhouse_url, lambda request: cut(request, missing)) as url:
        reader = ClickHouseReader(settings_with(CLICKHOUSE_URL=url))
        with pytest.raises(TransientError), reader.batches(ANSWER) as batches:
            list(batches)


def test_a_small_result_is_asked_for_again_as_often_as_configured(
    settings_with: SettingsWith,
) -> None:
    asked: list[Request] = []

    def twice(request: Request) -> Spoiling:
        spoiling = cut(request, 9)
        asked.extend([request] if spoiling else [])
        return spoiling if len(asked) < 3 else None

    with proxy(settings_with().clickhouse_url, twice) as url:
        settings = settings_with(CLICKHOUSE_URL=url, LANGFUSE_CLICKHOUSE_QUERY_MAX_ATTEMPTS="3")
        assert len(ClickHouseReader(settings).rows(ANSWER)) == 1000
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(502, TransientError), (503, TransientError), (404, ConfigurationError)]
)
def test_a_load_balancer_in_between_is_not_taken_for_the_server(
    settings_with: SettingsWith, status: int, kind: type[ExportError]
) -> None:
    refusing = proxy(settings_with().clickhouse_url, lambda _: Refuse(status))
    with refusing as url, pytest.raises(kind):
        ClickHouseReader(settings_with(CLICKHOUSE_URL=url)).rows(ANSWER)


def test_leaving_early_ends_the_query_on_the_server(clickhouse: ClickHouseReader) -> None:
    sql = "SELECT number, 'left early' FROM numbers(1000000000000)"
    running = clickhouse_statement(
        "SELECT count() FROM system.processes WHERE query LIKE '%left early%' "
        "AND query NOT LIKE '%system.processes%'"
    )
    with clickhouse.batches(clickhouse_statement(sql)) as batches:
        next(batches)
        assert clickhouse.rows(running) == [(1,)]
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True
    ):
        with attempt:
            assert clickhouse.rows(running) == [(0,)]


def cut(request: Request, missing: int) -> Spoiling:
    return Cut(missing) if b"answer-to-cut" in request.body else None


ANSWER = clickhouse_statement("SELECT concat('answer-to-cut', toString(number)) FROM numbers(1000)")
