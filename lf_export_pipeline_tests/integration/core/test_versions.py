"""Which version of a row is exported: the newest, once, unless it is a deletion."""

from datetime import timedelta
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import CUTOFF, Project, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [pytest.mark.services, pytest.mark.sampled]

BOTH = pytest.mark.parametrize("table", ["traces", "observations"])
TIME = {"traces": "timestamp", "observations": "start_time"}
TIME_FILTER = {"traces": "timestamp", "observations": "startTime"}


def at(second: int, day: int = 1, milli: int = 0) -> str:
    return f"2031-03-{day:02d}T12:00:{second:02d}.{milli:03d}Z"


def add_versions(project: Project, table: str, *versions: dict[str, Any]) -> None:
    """One insert per version, oldest insert first."""
    for version in versions:
        project.add(table, {"id": "a", **version})


def exported_name(project: Project, table: str) -> str:
    name: str = project.export(table).row["name"]
    return name


@BOTH
def test_of_versions_on_one_day_the_newest_is_exported(project: Project, table: str) -> None:
    add_versions(
        project,
        table,
        {"name": "old", "event_ts": at(1)},
        {"name": "new", "event_ts": at(3)},
        {"name": "between", "event_ts": at(2)},
    )
    assert exported_name(project, table) == "new"


@BOTH
def test_a_stale_version_that_is_stored_last_does_not_win(project: Project, table: str) -> None:
    add_versions(
        project,
        table,
        {"name": "new", "event_ts": at(3)},
        {"name": "late but stale", "event_ts": at(2), TIME[table]: at(0, day=2)},
    )
    assert exported_name(project, table) == "new"


@BOTH
@pytest.mark.parametrize("newest_day", [1, 19])
def test_of_versions_on_several_days_the_newest_is_exported_once(
    project: Project, table: str, newest_day: int
) -> None:
    older_day = 20 - newest_day
    add_versions(
        project,
        table,
        {"name": "new", "event_ts": at(3), TIME[table]: at(0, day=newest_day)},
        {"name": "old", "event_ts": at(1), TIME[table]: at(0, day=older_day)},
    )
    assert exported_name(project, table) == "new"


def test_an_observation_whose_type_changed_is_exported_once_with_the_new_type(
    project: Project,
) -> None:
    add_versions(
        project,
        "observations",
        {"type": "SPAN", "event_ts": at(1)},
        {"type": "GENERATION", "event_ts": at(2)},
        {"type": "EVENT", "event_ts": at(0)},
    )
    assert project.export("observations").row["type"] == "GENERATION"


@BOTH
def test_of_versions_of_one_instant_the_last_updated_is_exported(
    project: Project, table: str
) -> None:
    add_versions(
        project,
        table,
        {"name": "updated last", "updated_at": at(5)},
        {"name": "updated first", "updated_at": at(4), TIME[table]: at(0, day=2)},
    )
    assert exported_name(project, table) == "updated last"


@BOTH
def test_a_live_version_beats_a_deletion_of_the_same_instant(project: Project, table: str) -> None:
    add_versions(
        project,
        table,
        {"name": "live", "updated_at": at(1)},
        {"name": "gone", "updated_at": at(2), "is_deleted": 1, TIME[table]: at(0, day=2)},
    )
    assert exported_name(project, table) == "live"


@BOTH
@pytest.mark.parametrize("marker_day", [1, 2])
def test_a_deleted_row_is_not_exported(project: Project, table: str, marker_day: int) -> None:
    add_versions(
        project,
        table,
        {"event_ts": at(1)},
        {"event_ts": at(2), "is_deleted": 1, TIME[table]: at(0, day=marker_day)},
    )
    assert project.export(table).data == b""


@BOTH
def test_a_row_that_was_deleted_and_written_again_is_exported(project: Project, table: str) -> None:
    add_versions(
        project,
        table,
        {"event_ts": at(1)},
        {"event_ts": at(2), "is_deleted": 1},
        {"event_ts": at(3), "name": "again"},
    )
    assert exported_name(project, table) == "again"


@BOTH
@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_filters_are_tested_on_the_newest_version_only(
    project: Project, table: str, chunk_rows: int
) -> None:
    add_versions(
        project,
        table,
        {"name": "draft", "event_ts": at(1), "input": "needle"},
        {"name": "final", "event_ts": at(2), "input": "hay", TIME[table]: at(0, day=2)},
    )

    def found(name: str) -> set[str]:
        column = "name" if table == "observations" else "traceName"
        return project.ids(
            table, where(column, "stringOptions", "any of", [name]), chunk_rows=chunk_rows
        )

    assert found("draft") == set()
    assert found("final") == {"a"}
    search = {"searchType": ["input"]}
    assert project.ids(table, searchQuery="needle", **search) == set()
    assert project.ids(table, searchQuery="hay", **search) == {"a"}


@BOTH
def test_time_filters_are_tested_on_the_newest_version_only(project: Project, table: str) -> None:
    add_versions(
        project,
        table,
        {"event_ts": at(1), TIME[table]: at(0, day=1)},
        {"event_ts": at(2), TIME[table]: at(0, day=9)},
    )
    column = TIME_FILTER[table]
    before = where(column, "datetime", "<", at(0, day=5))
    after = where(column, "datetime", ">=", at(0, day=5))
    exactly = where(column, "datetime", ">=", at(0, day=9))
    assert project.ids(table, before) == set()
    assert project.ids(table, after) == {"a"}
    assert project.ids(table, exactly, where(column, "datetime", "<=", at(0, day=9))) == {"a"}


@BOTH
def test_a_row_whose_newest_version_is_after_the_cutoff_is_left_out(
    project: Project, table: str
) -> None:
    add_versions(
        project,
        table,
        {"event_ts": at(1)},
        {"event_ts": at(2), TIME[table]: "2031-03-25T00:00:00.000Z"},
    )
    assert project.ids(table) == set()


@BOTH
def test_the_cutoff_is_exact_to_the_millisecond(project: Project, table: str) -> None:
    instants = [CUTOFF + timedelta(milliseconds=milli) for milli in (-1, 0, 1)]
    for name, instant in zip(("before", "at", "after"), instants, strict=True):
        project.add(table, {"id": name, TIME[table]: instant.isoformat(timespec="milliseconds")})
    assert project.ids(table) == {"before"}
    assert project.ids(table, created_at=CUTOFF + timedelta(milliseconds=1)) == {"before", "at"}


@BOTH
def test_rows_of_other_projects_with_the_same_ids_never_appear(
    new_project: NewProject, table: str
) -> None:
    ours, theirs = new_project(), new_project()
    ours.add(table, {"id": "a", "name": "ours", "event_ts": at(1)}, {"id": "b", "name": "ours"})
    theirs.add(table, {"id": "a", "name": "theirs", "event_ts": at(9)}, {"id": "c"})
    theirs.add(table, {"id": "b", "event_ts": at(9), "is_deleted": 1})
    theirs.add(
        "scores", {"id": "s", "trace_id": "a", "observation_id": "a", "name": "leak", "value": 1}
    )
    theirs.add_to_postgres(
        "comments",
        {
            "id": f"c-{theirs.id}",
            "object_type": "TRACE" if table == "traces" else "OBSERVATION",
            "object_id": "a",
            "content": "leak",
        },
    )
    found = ours.export(table)
    assert sorted(found.ids) == ["a", "b"]
    assert {row["name"] for row in found.rows} == {"ours"}
    assert b"leak" not in found.data
    assert theirs.ids(table) == {"a", "c"}


def test_a_trace_of_another_project_is_not_shown_by_an_observation(
    new_project: NewProject,
) -> None:
    ours, theirs = new_project(), new_project()
    ours.add("observations", {"id": "o", "trace_id": "t"})
    theirs.add("traces", {"id": "t", "name": "theirs", "user_id": "theirs", "tags": ["theirs"]})
    row = ours.export("observations").row
    assert (row["traceName"], row["traceTags"], row["userId"]) == ("", [], None)
    assert row["traceTimestamp"] == "1970-01-01 00:00:00.000"
    assert ours.ids("observations", where("userId", "string", "=", "theirs")) == set()


@BOTH
def test_scores_count_with_their_newest_version_and_deleted_ones_do_not(
    project: Project, table: str
) -> None:
    project.add(table, {"id": "a", "trace_id": "a"} if table == "observations" else {"id": "a"})
    target = {"trace_id": "a", "observation_id": "a" if table == "observations" else None}
    for name, value, more in (
        ("kept", 1, {"event_ts": at(1)}),
        ("kept", 3, {"event_ts": at(2)}),
        ("gone", 1, {"event_ts": at(1)}),
        ("gone", 1, {"event_ts": at(2), "is_deleted": 1}),
    ):
        project.add("scores", {"id": name, "name": name, "value": value, **target, **more})
    row = project.export(table).row
    assert row["kept"] == [3]
    assert row["gone"] is None  # the column is there: names are collected from all versions
