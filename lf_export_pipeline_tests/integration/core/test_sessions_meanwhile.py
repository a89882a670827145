"""Sessions whose traces move or are merged between the key scan and the reading of their chunk."""

import pytest

from lf_export_pipeline_tests.exporting import Project

pytestmark = pytest.mark.services

SOURCES = pytest.mark.parametrize("from_events", [False, True], ids=["traces", "events"])
SESSIONS = ["s10", "s11", "s12", "s13"]


def add(project: Project, session: str, day: str, version: int = 0) -> None:
    """A version of the only trace of a session, in both sources."""
    instants = {"event_ts": f"2031-03-01T12:00:{version:02d}.000Z"}
    at, common = f"2031-03-{day}T12:00:00.000Z", {"session_id": session, **instants}
    project.add("traces", {"id": session, "timestamp": at, **common})
    span = {"span_id": session, "trace_id": session, "start_time": at}
    project.add("events_full", {**span, **common})


def merge(project: Project) -> None:
    """Afterwards the versions lie in the order of the sorting key, whenever they were stored."""
    for table in ("traces", "events_core"):
        project.client.command(f"OPTIMIZE TABLE {table} FINAL")


@pytest.fixture
def sessions(project: Project) -> Project:
    """A session on each of four days, each of them in a chunk of its own."""
    for session in SESSIONS:
        add(project, session, day=session.removeprefix("s"))
    return project


@SOURCES
def test_a_session_is_there_when_its_trace_moves_to_another_day_and_is_merged(
    sessions: Project, from_events: bool
) -> None:
    def change() -> None:
        add(sessions, "s12", day="02", version=1)
        merge(sessions)

    found = sessions.export(
        "sessions", chunk_rows=1, before_reading=change, useEventsTable=from_events
    )
    assert sorted(found.ids) == SESSIONS
    assert {row["countTraces"] for row in found.rows} == {1}


@SOURCES
def test_a_session_is_there_when_nothing_but_a_merge_comes_between(
    sessions: Project, from_events: bool
) -> None:
    with sessions.unmerged("traces"), sessions.unmerged("events_core"):
        add(sessions, "s12", day="02", version=1)
        found = sessions.export(
            "sessions",
            chunk_rows=1,
            before_reading=lambda: start_and_merge(sessions),
            useEventsTable=from_events,
        )
    assert sorted(found.ids) == SESSIONS
    assert {row["countTraces"] for row in found.rows} == {1}


def start_and_merge(project: Project) -> None:
    for table in ("traces", "events_core"):
        project.client.command(f"SYSTEM START MERGES {table}")
    merge(project)
