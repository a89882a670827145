"""Which tables Langfuse writes, by the rows of a project on the real engine."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from lf_export_pipeline.core.query.export_query import WriteMode
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.query.write_mode import (
    Written,
    remark,
    with_write_mode,
    written_tables,
)
from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline_tests.exporting import CUTOFF, Project

pytestmark = pytest.mark.services

HOURS, DAYS, MANY_ROWS = timedelta(hours=1), timedelta(days=1), 300_000
LEGACY, DUAL = WriteMode.LEGACY, WriteMode.DUAL
EVENTS_ONLY, UNKNOWN = WriteMode.EVENTS_ONLY, WriteMode.UNKNOWN


def text(before_cutoff: timedelta) -> str:
    return f"{CUTOFF - before_cutoff:%Y-%m-%dT%H:%M:%S.000Z}"


def add(project: Project, table: str, *before_cutoff: timedelta) -> None:
    column = "timestamp" if table == "traces" else "start_time"
    key = "span_id" if table == "events_full" else "id"
    for at, each in enumerate(before_cutoff):
        project.add(table, {key: f"{table}-{at}", column: text(each)})


def of(project: Project) -> Written:
    return written_tables(project.id, CUTOFF, project.reader.rows)


@pytest.mark.parametrize(
    ("traces", "observations", "events", "found"),
    [
        ([], [], [], Written(UNKNOWN)),
        ([2 * HOURS], [], [], Written(LEGACY)),
        ([], [2 * HOURS], [], Written(LEGACY)),
        ([2 * HOURS], [2 * HOURS], [2 * HOURS], Written(DUAL)),
        # A trace without observations has a span in the events, and one that goes on has many.
        ([2 * HOURS], [], [2 * HOURS], Written(DUAL)),
        ([30 * DAYS], [2 * HOURS], [2 * HOURS], Written(DUAL)),
        # A project that nobody uses any more.
        ([99 * DAYS], [99 * DAYS], [99 * DAYS], Written(DUAL)),
        ([], [], [2 * HOURS], Written(EVENTS_ONLY)),
        ([5 * DAYS, 9 * DAYS], [5 * DAYS], [2 * HOURS], Written(EVENTS_ONLY, date(2031, 3, 15))),
        ([5 * HOURS], [5 * HOURS], [2 * HOURS], Written(EVENTS_ONLY, date(2031, 3, 20))),
        ([2 * HOURS], [2 * HOURS], [5 * DAYS], Written(LEGACY, date(2031, 3, 15))),
        # Events come some minutes later, and rows on their way say nothing.
        ([2 * HOURS], [2 * HOURS], [20 * HOURS], Written(DUAL)),
        ([5 * HOURS], [], [5 * HOURS, timedelta(minutes=1)], Written(DUAL)),
        # Rows of a clock that is wrong, and such as no index can hold.
        ([2 * HOURS], [2 * HOURS], [2 * HOURS, -40 * DAYS], Written(DUAL)),
        ([-40 * DAYS], [], [2 * HOURS], Written(EVENTS_ONLY)),
        ([26_000 * DAYS], [], [26_000 * DAYS, 2 * HOURS], Written(EVENTS_ONLY)),
        ([2 * HOURS], [2 * HOURS], [26_000 * DAYS, 2 * HOURS], Written(DUAL)),
    ],
)
def test_the_rows_of_a_project_tell_the_mode(
    project: Project,
    traces: list[timedelta],
    observations: list[timedelta],
    events: list[timedelta],
    found: Written,
) -> None:
    add(project, "traces", *traces)
    add(project, "observations", *observations)
    add(project, "events_full", *events)
    assert of(project) == found


def test_other_projects_tell_nothing(project: Project, new_project: Callable[[], Project]) -> None:
    add(new_project(), "traces", 2 * HOURS)
    add(project, "events_full", 2 * HOURS)
    assert of(project).mode is EVENTS_ONLY


OLD = "Langfuse no longer writes the table that this export reads (its newest row is of 2031-03-15)"
UNWRITTEN = "Langfuse does not write the events tables, which this export reads"


@pytest.mark.parametrize(
    ("table", "options", "events_only", "legacy"),
    [
        ("traces", {}, True, False),
        ("observations", {}, True, False),
        ("observations", {"useEventsTable": True}, False, True),
        ("sessions", {}, True, False),
        ("sessions", {"useEventsTable": True}, False, True),
        ("events", {}, False, True),
        ("scores", {}, False, False),
        ("dataset_run_items", {}, False, False),
        ("audit_logs", {}, False, False),
    ],
)
def test_an_export_says_that_its_table_is_no_longer_written(
    project: Project, table: str, options: dict[str, Any], events_only: bool, legacy: bool
) -> None:
    request, day = project.request(table, **options), date(2031, 3, 15)
    source = resolved(request, project.reader, project.settings).source
    said = {mode: remark(source, Written(mode, day)) or "" for mode in WriteMode}
    assert said[DUAL] == said[UNKNOWN] == ""
    assert said[EVENTS_ONLY].startswith(OLD) is events_only
    assert said[LEGACY].startswith(UNWRITTEN) is legacy
    assert (remark(source, Written(EVENTS_ONLY)) is not None) is events_only


def test_a_query_carries_what_is_to_be_said(project: Project) -> None:
    add(project, "traces", 5 * DAYS)
    add(project, "events_full", 2 * HOURS)
    found = {}
    for table in ("traces", "events"):
        query = resolved(project.request(table), project.reader, project.settings)
        found[table] = with_write_mode(query, project.reader.rows)
    assert {query.write_mode for query in found.values()} == {EVENTS_ONLY}
    assert (found["traces"].remark or "").startswith(OLD)
    assert found["events"].remark is None


def test_the_questions_read_few_rows_of_a_large_project(project: Project) -> None:
    fill(project, until=CUTOFF - 2 * HOURS)
    read: list[int] = []

    def rows(statement: Statement) -> list[tuple[object, ...]]:
        settings = {"max_threads": statement.threads, "max_block_size": 2048}
        assert project.id in statement.params.values()
        found = project.client.query(statement.sql, statement.params, settings)
        read.append(int(found.summary["read_rows"]))
        return [tuple(row) for row in found.result_rows]

    found = [written_tables(project.id, CUTOFF + days * DAYS, rows).mode for days in (0, 3, -3)]
    assert found == [DUAL] * 3
    assert len(read) >= 5
    assert max(read) < MANY_ROWS / 10


def fill(project: Project, until: datetime) -> None:
    """Rows of some days in each table, with ids in no order."""
    time = f"toDateTime64('{until:%Y-%m-%d %H:%M:%S}', 3, 'UTC') - number % 864000"
    for table, key, column in (
        ("traces", "id", "timestamp"),
        ("observations", "id", "start_time"),
        ("events_full", "span_id", "start_time"),
    ):
        project.client.command(
            f"INSERT INTO {table} (project_id, {key}, {column}, event_ts) "
            f"SELECT '{project.id}', hex(sipHash64(number)), {time}, {time} "
            f"FROM numbers({MANY_ROWS})"
        )
