"""The files of neighbouring windows: each row is in exactly one, on the real engines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lf_export_pipeline.core.request.windowed_query import Window, windowed_query
from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline_tests.exporting import CUTOFF, Project

pytestmark = pytest.mark.services

MIDNIGHT = datetime(2031, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
INSTANTS = {
    "a": MIDNIGHT - DAY,
    "b": MIDNIGHT - MILLISECOND,
    "c": MIDNIGHT,
    "d": MIDNIGHT + DAY - MILLISECOND,
    "e": MIDNIGHT + DAY,
}
WINDOWS = [Window(MIDNIGHT + at * DAY, MIDNIGHT + (at + 1) * DAY) for at in (-1, 0, 1)]
FILES = [["a", "b"], ["c", "d"], ["e"]]


def text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def add_traces(project: Project, name: str, at: str) -> None:
    project.add("traces", {"id": name, "timestamp": at})


def add_sessions(project: Project, name: str, at: str) -> None:
    project.add("traces", {"id": name, "timestamp": at, "session_id": name})
    project.add("events_full", {"span_id": name, "start_time": at, "session_id": name})


def add_scores(project: Project, name: str, at: str) -> None:
    project.add("scores", {"id": name, "timestamp": at, "name": "good", "value": 1})


def add_spans(project: Project, name: str, at: str) -> None:
    project.add("observations", {"id": name, "start_time": at})
    project.add("events_full", {"span_id": name, "start_time": at})


def add_run_items(project: Project, name: str, at: str) -> None:
    times = {"created_at": at, "updated_at": at, "dataset_id": "ds", "dataset_run_id": "r"}
    project.add("dataset_run_items_rmt", {"id": name, "dataset_item_id": name, **times})


def add_items(project: Project, name: str, at: str) -> None:
    times = {"created_at": at, "updated_at": at, "valid_from": at, "dataset_id": "ds"}
    project.add_to_postgres("dataset_items", {"id": name, **times})


def add_logs(project: Project, name: str, at: str) -> None:
    what = {"org_id": "org", "type": "USER", "resource_type": "t", "resource_id": "r"}
    times = {"created_at": at, "updated_at": at, "action": "create"}
    project.add_to_postgres("audit_logs", {"id": f"{name}-{project.id}", **what, **times})


Add = Callable[[Project, str, str], None]
CASES: list[tuple[str, Add, dict[str, Any]]] = [
    ("traces", add_traces, {}),
    ("sessions", add_sessions, {}),
    ("sessions", add_sessions, {"useEventsTable": True}),
    ("scores", add_scores, {}),
    ("observations", add_spans, {}),
    ("observations", add_spans, {"useEventsTable": True}),
    ("events", add_spans, {}),
    ("dataset_run_items", add_run_items, {}),
    ("dataset_items", add_items, {}),
    ("audit_logs", add_logs, {}),
]


def files(project: Project, table: str, **query: Any) -> list[list[str]]:
    """The sorted ids of the file of each window."""
    column = table_source(table).window_column
    assert column is not None
    found = []
    for window in WINDOWS:
        filters = windowed_query({"filter": []}, column, window)["filter"]
        ids = project.export(table, filters, created_at=CUTOFF, **query).ids
        found.append(sorted(name.partition("-")[0] for name in ids))
    return found


@pytest.mark.parametrize(("table", "add", "query"), CASES)
def test_each_row_is_in_the_file_of_one_window(
    project: Project, table: str, add: Add, query: dict[str, Any]
) -> None:
    for name, instant in INSTANTS.items():
        add(project, name, text(instant))

    assert files(project, table, **query) == FILES


def test_every_table_with_a_time_is_tried() -> None:
    timed = {name for name in table_names() if table_source(name).window_column}

    assert {table for table, *_ in CASES} >= timed - {"numbers", "trace_users"}


@pytest.mark.parametrize("from_events", [False, True], ids=["traces", "events"])
def test_a_session_that_goes_on_is_in_the_window_that_it_began_in_and_whole(
    project: Project, *, from_events: bool
) -> None:
    for name, instant in INSTANTS.items():
        add_sessions(project, name, text(instant))
        at, session = text(instant), {"session_id": "long"}
        project.add("traces", {"id": f"long {name}", "timestamp": at, **session})
        span = {"span_id": f"long {name}", "trace_id": f"long {name}", "start_time": at}
        project.add("events_full", {**span, **session})

    found = files(project, "sessions", useEventsTable=from_events)

    assert found == [["a", "b", "long"], ["c", "d"], ["e"]]
    column = table_source("sessions").window_column
    assert column is not None
    filters = windowed_query({"filter": []}, column, WINDOWS[0])["filter"]
    rows = project.export("sessions", filters, useEventsTable=from_events).rows
    assert {row["id"]: row["countTraces"] for row in rows}["long"] == len(INSTANTS)
