"""Scores and observations that were moved to another trace or session, both versions stored.

They count where they are now, however many scores a project has and however it is cut in chunks.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project, Row, where

pytestmark = [pytest.mark.services, pytest.mark.sampled]

FIRST, SECOND = "2031-03-01T12:00:00.000Z", "2031-03-02T12:00:00.000Z"
SCORE = {"id": "s", "name": "n", "value": 1, "timestamp": SECOND}
HAS_SCORE = where("scores_avg", "numberObject", "=", 1, key="n")
SPANS = {"useEventsTable": True}

TABLES = pytest.mark.parametrize(
    ("table", "options"),
    [("traces", {}), ("observations", {}), ("observations", SPANS), ("events", {})],
    ids=["traces", "observations", "spans", "events"],
)


@pytest.fixture
def project(project: Project) -> Iterator[Project]:
    """A trace of each of two days, a row of each; ClickHouse keeps every version."""
    for name, day in (("a", FIRST), ("b", SECOND)):
        project.add("traces", {"id": name, "timestamp": day, "session_id": f"session {name}"})
        project.add("observations", {"id": name, "trace_id": name, "start_time": day})
        project.add("events_full", {"span_id": name, "trace_id": name, "start_time": day})
    with project.unmerged("scores"), project.unmerged("observations"):
        yield project


def add_versions(project: Project, table: str, row: Row, *versions: Row) -> None:
    """One insert per version, the newest last."""
    for second, version in enumerate(versions):
        event_ts = {"event_ts": f"2031-03-03T00:00:{second:02d}.000Z"}
        project.add(table, {**row, **version, **event_ts})


def on(name: str, table: str) -> dict[str, Any]:
    """What a score names to belong to a row."""
    return {"trace_id": name, "observation_id": None if table == "traces" else name}


def from_the(day: str, table: str) -> Row:
    column = "timestamp" if table == "traces" else "startTime"
    return where(column, "datetime", ">=", day)


def until_the(day: str, table: str) -> Row:
    column = "timestamp" if table == "traces" else "startTime"
    return where(column, "datetime", "<", day)


@TABLES
@pytest.mark.parametrize("chunk_rows", [1, 100])
@pytest.mark.usefixtures("looked_up")
def test_cell_is_in_the_row_that_the_newest_version_names(
    project: Project, table: str, options: dict[str, Any], chunk_rows: int
) -> None:
    add_versions(project, "scores", SCORE, on("a", table), on("b", table))

    rows = project.export(table, chunk_rows=chunk_rows, **options).rows

    assert {row["id"]: row["n"] for row in rows} == {"a": None, "b": [1]}


@TABLES
@pytest.mark.usefixtures("looked_up")
def test_score_that_names_no_trace_any_more_is_in_no_row(
    project: Project, table: str, options: dict[str, Any]
) -> None:
    nowhere = {"trace_id": None, "session_id": "session a"}
    add_versions(project, "scores", SCORE, on("a", table), nowhere)

    rows = project.export(table, **options).rows

    assert [row["n"] for row in rows] == [None, None]
    assert project.ids(table, HAS_SCORE, **options) == set()


@TABLES
def test_filter_finds_the_row_that_the_newest_version_names(
    project: Project, table: str, options: dict[str, Any]
) -> None:
    add_versions(project, "scores", SCORE, on("a", table), on("b", table))

    def found(*filters: Row) -> set[str]:
        return project.ids(table, HAS_SCORE, *filters, **options)

    assert found() == {"b"}
    assert found(from_the(SECOND, table)) == {"b"}
    assert found(until_the(SECOND, table)) == set()


def test_filter_finds_the_run_item_of_the_trace_that_the_newest_version_names(
    project: Project,
) -> None:
    for name, day in (("a", FIRST), ("b", SECOND)):
        item = {"id": name, "trace_id": name, "dataset_item_id": name, "created_at": day}
        project.add("dataset_run_items_rmt", item)
    add_versions(project, "scores", SCORE, on("a", "traces"), on("b", "traces"))
    has_score = where("agg_scores_avg", "numberObject", "=", 1, key="n")
    early = where("createdAt", "datetime", "<", SECOND)

    assert project.ids("dataset_run_items", has_score) == {"b"}
    assert project.ids("dataset_run_items", has_score, early) == set()


def test_session_has_no_score_that_names_a_trace_by_now(project: Project) -> None:
    there, elsewhere = {"session_id": "session a"}, {"session_id": None, "trace_id": "a"}
    add_versions(project, "scores", SCORE, there, elsewhere)

    assert project.ids("sessions", HAS_SCORE) == set()


def test_observation_counts_for_the_trace_that_its_newest_version_names(project: Project) -> None:
    call = {"id": "moved", "level": "ERROR", "start_time": SECOND}
    add_versions(project, "observations", call, {"trace_id": "a"}, {"trace_id": "b"})
    has_error = where("errorCount", "number", "=", 1)

    assert project.ids("traces", has_error) == {"b"}
    assert project.ids("traces", has_error, until_the(SECOND, "traces")) == set()


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_observation_counts_for_the_session_that_its_newest_version_is_in(
    project: Project, chunk_rows: int
) -> None:
    call = {"id": "moved", "cost_details": {"total": "7"}, "start_time": SECOND}
    add_versions(project, "observations", call, {"trace_id": "a"}, {"trace_id": "b"})

    rows = project.export("sessions", chunk_rows=chunk_rows).rows

    assert {row["id"]: row["totalCost"] for row in rows} == {"session a": "0", "session b": "7"}
