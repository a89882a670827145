"""Writers into the rows that sessions are made of.

A session has two traces of one day, with an observation each. Of a session that changes, the first
trace gets new versions, every third of them on another day; the second one wanders: each version
is in the session of another trace that changes.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from lf_export_pipeline_tests.exporting import Project, Row
from lf_export_pipeline_tests.integration.core.concurrent_clickhouse import (
    at_work,
    erase_rows,
    merge_rows,
    versions_merged_away,
)
from lf_export_pipeline_tests.integration.core.concurrent_writers import (
    AT_ONCE,
    BEGINNING,
    CHANGES_BEFORE,
    CHANGING,
    DAYS,
    SIZES,
    Busy,
    beginning_of,
    ids_of,
    iso,
    text_of,
)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of a project in one of the two sources that they are read from."""

    project: Project
    from_events: bool

    @property
    def asked(self) -> Mapping[str, Any]:
        """What is asked for."""
        return {"table": "sessions", "useEventsTable": self.from_events}

    @property
    def read(self) -> Mapping[str, str]:
        """The tables that are read, each with the column that has the id of the trace."""
        if self.from_events:
            return {"events_core": "trace_id"}
        return {"traces": "id", "observations": "trace_id"}

    def add_first_versions(self) -> None:
        """All sessions as they are before anybody writes."""
        sessions = [session for group in SIZES for session in ids_of(group)]
        self.add(self.project, sessions)

    def add(self, own: Project, sessions: list[str], version: int = 0) -> None:
        """A version of each session's two traces."""
        traces = {trace: session for session in sessions for trace in traces_of(session)}
        if version:
            wandering = [trace for trace in traces if not stays(trace)]
            traces |= dict(zip(wandering, random.sample(sessions, len(sessions)), strict=True))
        rows = [_row(trace, session, version) for trace, session in traces.items()]
        if self.from_events:
            own.add("events_full", *(_span(row) for row in rows))
        else:
            own.add("observations", *(_observation(row) for row in rows))
            own.add("traces", *rows)

    def erase(self, own: Project, sessions: list[str]) -> None:
        """All rows of the sessions, in one table after another."""
        traces = [trace for session in sessions for trace in traces_of(session)]
        for table, trace_id in self.read.items():
            erase_rows(own, table, trace_id, traces)

    def traces_merged_away(self, busy: Busy) -> int:
        """How many versions of traces that stay are not there any more."""
        table, key = ("events_core", "span_id") if self.from_events else ("traces", "id")
        ending = f"{CHANGING}-stays"
        return versions_merged_away(self.project, table, key, busy, ending)


def traces_of(session: str) -> list[str]:
    """The one that stays and the one that wanders, if the session changes."""
    return [f"{session}-stays", f"{session}-wanders"]


def stays(trace: str) -> bool:
    """Whether all versions of the trace are in the same session."""
    return trace.endswith("stays")


def is_whole(row: Row, *, from_events: bool) -> bool:
    """Whether a session has the trace that stays, and otherwise only what it can have.

    Of a span all versions count, of a trace one.
    """
    session, found = row["id"], [_trace_saying(text) for text in row["userIds"]]
    guests = {trace for trace in found if not trace.startswith(session)}
    at_home = traces_of(session)
    if session.endswith(CHANGING):
        return (
            at_home[0] in found
            and not any(stays(trace) or CHANGING not in trace for trace in guests)
            and (from_events or len(found) == len(set(found)))
        )
    return sorted(found) == at_home


def _trace_saying(text: str) -> str:
    """The trace that one of its versions names; it fails if no version says this."""
    _, version, _, trace, _ = text.split(" ")
    assert text == text_of(trace, int(version))
    return trace


def _row(trace: str, session: str, version: int) -> dict[str, Any]:
    number = int(trace.partition("-")[0])
    day = (number + version * (version % 3 == 0)) % DAYS
    said = text_of(trace, version)
    return {
        "id": trace,
        "session_id": session,
        "timestamp": iso(beginning_of(session) + timedelta(days=day, seconds=number % 3_600)),
        "user_id": said,
        "tags": [said],
        "event_ts": iso(BEGINNING + timedelta(milliseconds=version)),
    }


def _observation(trace: Row) -> dict[str, Any]:
    return {
        "id": f"observation of {trace['id']}",
        "trace_id": trace["id"],
        "start_time": trace["timestamp"],
        "usage_details": {"total": 3},
        "event_ts": trace["event_ts"],
    }


def _span(trace: Row) -> Row:
    of_trace = {name: trace[name] for name in ("session_id", "user_id", "tags")}
    span = {**_observation(trace), **of_trace, "span_id": trace["id"]}
    del span["id"]
    return span


@contextmanager
def session_writers(sessions: Sessions) -> Iterator[Busy]:
    """Who adds, changes, erases and merges, all of them at work until the context is left.

    Nobody marks rows as deleted: that a row is, sessions do not ask.
    """
    busy = Busy()
    versions = count(1)

    def change(own: Project) -> None:
        sessions.add(own, random.sample(ids_of(CHANGING), AT_ONCE), next(versions))

    def come(own: Project) -> None:
        with busy.newcomers() as new:
            sessions.add(own, new)

    def erase(own: Project) -> None:
        with busy.leavers() as gone:
            sessions.erase(own, gone)

    def merge(own: Project) -> None:
        for table in sessions.read:
            merge_rows(own, table)

    for _ in range(CHANGES_BEFORE):
        change(sessions.project)
    with at_work(sessions.project, busy, change, come, erase, merge):
        yield busy
