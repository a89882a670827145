from datetime import UTC, datetime

import pytest

from lf_export_pipeline.core import tables
from lf_export_pipeline.core.errors import InvalidFilterError, InvalidQueryError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.query.export_query import Answers
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.core.tables import register, table_names, table_source
from lf_export_pipeline_tests.numbers_table import Numbers

EIGHT = {
    "traces",
    "observations",
    "events",
    "scores",
    "sessions",
    "dataset_run_items",
    "dataset_items",
    "audit_logs",
}


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the registry, so that nothing that a test adds outlives it."""
    table_names()
    monkeypatch.setattr(tables, "_TABLES", dict(tables._TABLES))


def test_the_eight_tables_are_there_in_the_order_of_their_names() -> None:
    names = table_names()
    assert set(names) >= EIGHT
    assert "datasets" not in names
    assert list(names) == sorted(names)


def test_a_table_is_found_under_its_name() -> None:
    assert {table_source(name).name for name in EIGHT} == EIGHT


def test_an_unknown_table_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidQueryError) as refusal:
        table_source("trcaes")
    assert refusal.value.user_message.startswith("The table 'trcaes' cannot be exported.")
    assert all(name in refusal.value.user_message for name in EIGHT)


def test_a_later_table_of_the_same_name_replaces_the_earlier_one() -> None:
    first, second = Numbers(), Numbers()
    register(first)
    register(second)
    assert table_source("numbers") is second
    assert table_names().count("numbers") == 1


@pytest.mark.parametrize("from_events", [False, True])
@pytest.mark.parametrize("name", sorted(EIGHT))
def test_a_position_in_the_trace_is_refused_by_every_table(name: str, from_events: bool) -> None:
    """The original drops this filter, and exports more than was asked for."""
    query = {
        "tableName": name,
        "filter": [{"type": "positionInTrace", "column": "id", "operator": "=", "key": "first"}],
        "orderBy": None,
        "useEventsTable": from_events,
    }
    now = datetime(2031, 3, 20, tzinfo=UTC)
    request = parse_request(
        StoredExport("e", "p", "u", now, now, name="n", status="QUEUED", format="CSV", query=query)
    )
    source, limits = table_source(name), ExportLimits()
    answers: Answers = {key: [] for key in source.preflight_queries(request, limits)}
    with pytest.raises(InvalidFilterError, match=r"position in the trace|'positionInTrace'"):
        source.compile(request, answers, limits)
