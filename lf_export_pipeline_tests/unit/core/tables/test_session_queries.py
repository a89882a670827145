"""Sessions as data: what is asked first, what is refused, and what a scan adds up."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.export_query import ExportQuery
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import BatchExportQuery, ExportFormat, ExportRequest
from lf_export_pipeline.core.tables import table_source

LIMITS = ExportLimits()
SOURCES = pytest.mark.parametrize("from_events", [False, True], ids=["traces", "events"])


def request(*filters: dict[str, Any], **more: Any) -> ExportRequest:
    query = {"tableName": "sessions", "filter": list(filters), "orderBy": None, **more}
    return ExportRequest(
        export_id="e",
        project_id="p",
        user_id="u",
        name="n",
        created_at=datetime(2031, 3, 20, tzinfo=UTC),
        format=ExportFormat.CSV,
        query=BatchExportQuery.model_validate(query),
    )


def compiled(
    *filters: dict[str, Any], bookmarked: tuple[str, ...] = (), **more: Any
) -> ExportQuery:
    ids: list[tuple[object, ...]] = [(name,) for name in bookmarked]
    answers = {"bookmarked_sessions": ids}
    return table_source("sessions").compile(request(*filters, **more), answers, LIMITS)


def scan(*filters: dict[str, Any], **more: Any) -> str:
    statement = compiled(*filters, **more).key_scan
    assert statement is not None
    return statement.sql


STARRED = {"type": "boolean", "column": "⭐️", "operator": "=", "value": True}
COSTLY = {"type": "number", "column": "totalCost", "operator": ">", "value": 1}


def test_bookmarks_are_asked_for_only_where_they_matter() -> None:
    source = table_source("sessions")
    assert not source.preflight_queries(request(), LIMITS)
    order = {"column": "bookmarked", "order": "ASC"}
    for asking in (request(STARRED), request(orderBy=order)):
        (statement,) = source.preflight_queries(asking, LIMITS).values()
        assert statement.store is Store.POSTGRES
        assert statement.params == {"project_id": "p"}


def test_a_scan_adds_up_only_what_it_is_asked_about() -> None:
    assert "observations" not in scan()
    assert "cost_details" not in scan(useEventsTable=True)
    assert "scores" not in scan()
    by_duration = {"column": "sessionDuration", "order": "ASC"}
    assert "observations" in scan(COSTLY)
    assert "observations" in scan(orderBy=by_duration)
    assert "cost_details" in scan(COSTLY, useEventsTable=True)


@SOURCES
def test_each_source_is_read_from_its_own_store(from_events: bool) -> None:
    query = compiled(useEventsTable=from_events)
    store = Store.EVENTS if from_events else Store.CLICKHOUSE
    assert query.key_scan is not None
    assert query.chunk_rows is not None
    assert {query.key_scan.store, query.chunk_rows.store} == {store}


@SOURCES
def test_the_query_survives_the_journey_between_the_ops(from_events: bool) -> None:
    since = {"type": "datetime", "column": "createdAt", "operator": ">", "value": None}
    query = compiled(STARRED, COSTLY, since, bookmarked=("a", "b"), useEventsTable=from_events)
    assert ExportQuery.model_validate_json(query.model_dump_json()) == query


@SOURCES
def test_no_text_of_the_user_is_sql(from_events: bool) -> None:
    texts = ["'; DROP TABLE traces; --", "{p0:String}", "/*keys:x*/", ":keys"]
    named = {"type": "stringOptions", "column": "id", "operator": "any of", "value": texts}
    harmless = {**named, "value": ["a"]}
    sql = _sql(compiled(named, STARRED, bookmarked=tuple(texts), useEventsTable=from_events))
    plain = _sql(compiled(harmless, STARRED, bookmarked=("a",), useEventsTable=from_events))
    assert sql == plain


def _sql(query: ExportQuery) -> list[str]:
    return [each.sql for each in (query.key_scan, query.chunk_rows) if each is not None]


def test_no_comment_matches_means_nothing_to_scan() -> None:
    commented = {"type": "number", "column": "commentCount", "operator": ">", "value": 9}
    asked = table_source("sessions").preflight_queries(request(commented), LIMITS)
    answers: dict[str, list[tuple[object, ...]]] = {name: [] for name in asked}
    query = table_source("sessions").compile(request(commented), answers, LIMITS)
    assert query.key_scan is None


def test_metadata_are_filtered_but_never_ordered_by() -> None:
    metadata = {"type": "stringObject", "column": "metadata", "key": "k"}
    chosen = {**metadata, "operator": "=", "value": "v"}
    assert "metadata_names" in scan(chosen, useEventsTable=True)
    with pytest.raises(InvalidFilterError, match="Column metadata does not match"):
        scan(chosen)
    with pytest.raises(InvalidFilterError, match="Invalid order by column: metadata"):
        scan(orderBy={"column": "metadata", "order": "ASC"}, useEventsTable=True)
