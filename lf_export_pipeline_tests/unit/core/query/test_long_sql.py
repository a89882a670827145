"""Filters of any number: the SQL of an export is one that ClickHouse reads, or is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.query.chunk_plan import CHUNK_MAX_ROWS, bind_chunk
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery
from lf_export_pipeline.core.query.statement import SQL_MAX_BYTES, Statement
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.core.tables import table_source

NOON = datetime(2031, 3, 20, 12, tzinfo=UTC)
FIELD_MAX_BYTES = 128 * 1024  # http_max_field_value_size of ClickHouse
LIMITS = ExportLimits(filters=10_000)  # as an operator may set it
KEYS = bytes(8 * CHUNK_MAX_ROWS)
Filters = list[dict[str, Any]]


def compiled(table: str, filters: Filters, found: Answers, **query: Any) -> ExportQuery:
    stored = {"tableName": table, "filter": filters, "orderBy": None, **query}
    row = StoredExport(
        id="export", project_id="project", user_id="user", created_at=NOON, updated_at=NOON,
        name="export", status="QUEUED", format="CSV", query=stored,
    )  # fmt: skip
    request = parse_request(row, LIMITS)
    source = table_source(table)
    answers = {name: found.get(name, []) for name in source.preflight_queries(request, LIMITS)}
    return source.compile(request, answers, LIMITS)


def metadata_filters(count: int) -> Filters:
    test = {"type": "stringObject", "column": "metadata", "operator": "="}
    return [{**test, "key": f"key {at}", "value": f"value {at}"} for at in range(count)]


def trace_filters(count: int) -> Filters:
    """Filters that a scan looks at, and each reading of a chunk."""
    test = {"type": "string", "column": "Trace Name", "operator": "contains"}
    return [{**test, "value": f"value {at}"} for at in range(count)]


def clickhouse_statements(query: ExportQuery) -> list[Statement]:
    known = (query.key_scan, query.chunk_rows, *(each.statement for each in query.lookups))
    return [each for each in known if each is not None and each.store == "clickhouse"]


@pytest.mark.parametrize("table", ["traces", "observations", "scores", "events"])
def test_too_many_filters_are_refused_in_a_sentence(table: str) -> None:
    filters = metadata_filters(3_000) if table != "scores" else trace_filters(3_000)

    with pytest.raises(InvalidFilterError, match="There are too many filters") as refusal:
        compiled(table, filters, {}).require_short_sql()

    assert "\n" not in refusal.value.user_message


def test_many_filters_are_no_reason_to_refuse() -> None:
    query = compiled("traces", metadata_filters(500), {})
    query.require_short_sql()
    assert all(len(each.sql) <= SQL_MAX_BYTES for each in clickhouse_statements(query))


@pytest.mark.parametrize("from_events", [False, True])
def test_as_many_commented_sessions_as_are_allowed_are_asked_about_in_sql_that_is_read(
    from_events: bool,
) -> None:
    ids: list[tuple[object, ...]] = [
        (f"{at:08d}-1111-2222-3333-444444444444", 50_000) for at in range(50_000)
    ]
    commented = {"type": "string", "column": "commentContent", "operator": "=", "value": "x"}
    found: Answers = {"comments_included": ids, "comments_excluded": []}

    query = compiled("sessions", [commented], found, useEventsTable=from_events)
    query.require_short_sql()

    assert query.key_scan
    assert query.chunk_rows
    chunk = bind_chunk(query.chunk_rows, KEYS, ("2031-01-01",) * 2, ("2031-01-01",) * 2)
    assert len(query.key_scan.sql) < SQL_MAX_BYTES // 2
    assert len(chunk.sql) < FIELD_MAX_BYTES // 2
