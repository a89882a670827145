"""What events, observations from events and scores compile to, before any database is asked."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.query.export_query import ExportQuery
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest, StoredExport
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline.core.tables.event_filters import event_filter_table
from lf_export_pipeline.core.tables.score_filters import FILTER_TABLE as SCORE_TABLE

NOON = datetime(2031, 3, 20, 12, tzinfo=UTC)
HOSTILE = "x'); DROP TABLE traces; -- {p0:String} :project_id `"
SPAN_SOURCES = [("events", False), ("observations", True)]
SPANS = pytest.mark.parametrize(("table", "events"), SPAN_SOURCES)
ALL = pytest.mark.parametrize(
    ("table", "events"), [*SPAN_SOURCES, ("scores", False), ("scores", True)]
)


def request(table: str, *filters: dict[str, Any], events: bool, **query: Any) -> ExportRequest:
    stored = {"tableName": table, "filter": list(filters), "orderBy": None, **query}
    row = StoredExport(
        id="export",
        project_id="project",
        user_id="user",
        created_at=NOON,
        updated_at=NOON,
        name="name",
        status="QUEUED",
        format="CSV",
        query={**stored, "useEventsTable": events},
    )
    return parse_request(row)


def compiled(
    wanted: ExportRequest, names: tuple[str, ...] = ("quality",), row_limit: int = 10
) -> ExportQuery:
    answers: dict[str, list[tuple[object, ...]]] = {"score_names": [(name,) for name in names]}
    limits = ExportLimits(row_limit=row_limit)
    return table_source(wanted.query.table).compile(wanted, answers, limits)


def statements(wanted: ExportRequest, query: ExportQuery) -> Iterator[Statement]:
    """All SQL that an export runs."""
    yield from table_source(wanted.query.table).preflight_queries(wanted, ExportLimits()).values()
    yield from (lookup.statement for lookup in query.lookups)
    yield from (each for each in (query.key_scan, query.chunk_rows, query.sample) if each)


def scan_of(query: ExportQuery) -> str:
    assert query.key_scan is not None
    return query.key_scan.sql


FILTERS: dict[str, dict[str, Any]] = {
    "string": {"operator": "contains", "value": HOSTILE},
    "stringOptions": {"operator": "none of", "value": [HOSTILE]},
    "arrayOptions": {"operator": "all of", "value": [HOSTILE]},
    "stringObject": {"operator": "=", "key": HOSTILE, "value": HOSTILE},
    "numberObject": {"operator": ">", "key": HOSTILE, "value": 1},
    "categoryOptions": {"operator": "any of", "key": HOSTILE, "value": [HOSTILE]},
    "booleanObject": {"operator": "<>", "key": HOSTILE, "value": True},
}


def hostile_filters(table: str) -> list[dict[str, Any]]:
    columns = {
        "string": "input" if table != "scores" else "comment",
        "stringOptions": "traceName",
        "arrayOptions": "tags" if table != "scores" else "trace_tags",
        "stringObject": "metadata",
    }
    if table != "scores":
        columns |= {
            "numberObject": "scores_avg",
            "categoryOptions": "trace_score_categories",
            "booleanObject": "score_booleans",
        }
    return [{"type": kind, "column": name, **FILTERS[kind]} for kind, name in columns.items()]


@ALL
def test_no_text_of_a_user_is_part_of_any_sql(table: str, *, events: bool) -> None:
    wanted = request(
        table,
        *hostile_filters(table),
        events=events,
        searchQuery=HOSTILE,
        searchType=["id", "content"],
    )
    query = compiled(wanted, names=(HOSTILE, "id"))
    found = list(statements(wanted, query))
    assert not [each.sql for each in found if "DROP" in each.sql]
    assert any("DROP" in str(each.params) for each in found)


@ALL
def test_a_hostile_column_is_refused(table: str, *, events: bool) -> None:
    wanted = {"type": "string", "column": HOSTILE, "operator": "=", "value": ""}
    with pytest.raises(InvalidFilterError, match="does not match"):
        compiled(request(table, wanted, events=events))


@ALL
def test_every_statement_on_clickhouse_is_bound_to_the_project(table: str, *, events: bool) -> None:
    wanted = request(table, events=events)
    for statement in statements(wanted, compiled(wanted)):
        if statement.store is not Store.POSTGRES:
            assert "project" in statement.params.values()


@ALL
def test_the_events_server_is_asked_where_the_events_table_is(table: str, *, events: bool) -> None:
    wanted = request(table, events=events)
    stores = {each.store for each in statements(wanted, compiled(wanted))} - {Store.POSTGRES}
    from_events = events or table == "events"
    assert stores == {Store.EVENTS if from_events else Store.CLICKHOUSE}


@ALL
def test_wide_columns_are_read_by_the_scan_only_where_a_filter_needs_them(
    table: str, *, events: bool
) -> None:
    wide = "t.comment" if table == "scores" else "t.input"
    name = wide.removeprefix("t.")
    contains = {"type": "string", "column": name, "operator": "contains", "value": "x"}
    assert wide not in scan_of(compiled(request(table, events=events)))
    assert wide in scan_of(compiled(request(table, contains, events=events)))


@ALL
def test_the_scan_stops_one_row_above_the_limit(table: str, *, events: bool) -> None:
    query = compiled(request(table, events=events), row_limit=7)
    assert scan_of(query).endswith("LIMIT 8")
    assert query.row_limit == 7


@SPANS
def test_scores_are_joined_only_for_filters_on_scores(table: str, *, events: bool) -> None:
    own = {"type": "numberObject", "column": "scores_avg", **FILTERS["numberObject"]}
    of_trace = {**own, "column": "trace_scores_avg"}
    assert "JOIN" not in scan_of(compiled(request(table, events=events)))
    assert scan_of(compiled(request(table, own, events=events))).count("LEFT JOIN") == 2
    assert scan_of(compiled(request(table, of_trace, events=events))).count("LEFT JOIN") == 1


@SPANS
def test_a_score_named_like_a_column_gets_a_header_of_its_own(table: str, *, events: bool) -> None:
    query = compiled(request(table, events=events), names=("id", "toString", "comments"))
    assert query.score_columns == ("scores.id", "toString", "scores.comments")


@SPANS
def test_a_position_in_the_trace_is_refused(table: str, *, events: bool) -> None:
    position = {"type": "positionInTrace", "column": "x", "operator": "=", "key": "root"}
    with pytest.raises(InvalidFilterError, match="position in the trace"):
        compiled(request(table, position, events=events))


@SPANS
def test_without_a_score_name_no_scores_are_looked_up(table: str, *, events: bool) -> None:
    query = compiled(request(table, events=events), names=())
    assert all("scores" not in lookup.statement.sql for lookup in query.lookups)


@pytest.mark.parametrize(("table", "events"), [("scores", False), ("scores", True)])
def test_traces_are_joined_only_for_filters_and_orders_on_the_trace(
    table: str, *, events: bool
) -> None:
    by_name = {"column": "Trace Name", "order": "ASC"}
    name = {"type": "null", "column": "traceName", "operator": "is null", "value": ""}
    for wanted, joined in (
        (request(table, events=events), False),
        (request(table, events=events, orderBy={"column": "name", "order": "ASC"}), False),
        (request(table, events=events, orderBy=by_name), True),
        (request(table, name, events=events), True),
    ):
        assert ("LEFT JOIN" in scan_of(compiled(wanted))) is joined


def test_events_and_observations_from_events_have_the_columns_of_the_original() -> None:
    events = compiled(request("events", events=False)).columns
    assert [column.name for column in events][:4] == ["id", "traceId", "traceName", "type"]
    assert len(events) == 32
    legacy = compiled(request("observations", events=False)).columns
    assert compiled(request("observations", events=True)).columns == legacy


@pytest.mark.parametrize("table", [event_filter_table("events"), SCORE_TABLE])
def test_every_name_of_a_column_leads_to_that_column(table: Any) -> None:
    for column in table.columns:
        for name in column.names:
            assert table.column(name) is column
            assert table.order_column(name) is column
