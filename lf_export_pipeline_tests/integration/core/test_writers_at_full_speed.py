"""Exports of tables into which others insert, change, delete and merge as fast as they can."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.concurrent_clickhouse import (
    add_first_versions,
    clickhouse_writers,
    versions_merged_away,
)
from lf_export_pipeline_tests.integration.core.concurrent_exports import Beside, export_beside
from lf_export_pipeline_tests.integration.core.concurrent_items import (
    SHOWN_OF_ITEMS,
    Items,
    item_writers,
)
from lf_export_pipeline_tests.integration.core.concurrent_logs import (
    SHOWN_OF_LOGS,
    Logs,
    log_writers,
)
from lf_export_pipeline_tests.integration.core.concurrent_sessions import (
    Sessions,
    is_whole,
    session_writers,
)
from lf_export_pipeline_tests.integration.core.concurrent_subjects import (
    ORDERED_SUBJECTS,
    SUBJECTS,
    Subject,
)
from lf_export_pipeline_tests.integration.core.concurrent_writers import QUIET, SIZES

pytestmark = [pytest.mark.services, pytest.mark.long]


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_while_others_write_no_row_is_lost_repeated_or_mixed(
    project: Project, subject: Subject
) -> None:
    export = union_all(project, subject, subject.asked)
    check(export)
    assert versions_merged_away(project, subject.table, subject.key, export.busy) > 0


@pytest.mark.parametrize("subject", ORDERED_SUBJECTS, ids=str)
def test_while_others_write_rows_that_a_filter_no_longer_meets_are_left_out(
    project: Project, subject: Subject
) -> None:
    export = union_all(project, subject, subject.asked_for_unchanged)
    left_out = export.broken.pop("no row lost")
    assert left_out <= export.busy.changed.keys()
    check(export)
    quiet = untouched(export.before.ids)
    assert len(quiet) == SIZES[QUIET]
    assert untouched(export.found.ids) == quiet


def test_while_others_write_items_of_datasets_none_is_lost_repeated_or_mixed(
    project: Project,
) -> None:
    items = Items(project)
    items.add_first_versions()
    writers = item_writers(items)
    check(export_beside(project, {"table": "dataset_items"}, writers, SHOWN_OF_ITEMS))


def test_while_others_write_audit_logs_none_is_lost_or_repeated(project: Project) -> None:
    logs = Logs(project)
    logs.add_first_versions()
    check(export_beside(project, {"table": "audit_logs"}, log_writers(logs), SHOWN_OF_LOGS))


@pytest.mark.parametrize("from_events", [False, True], ids=["traces", "events"])
def test_while_others_write_traces_each_session_is_there_once_and_whole(
    project: Project, from_events: bool
) -> None:
    sessions = Sessions(project, from_events)
    sessions.add_first_versions()
    export = export_beside(project, sessions.asked, session_writers(sessions))
    check(export)
    certain = [row for row in export.found.rows if row["id"] not in export.busy.leaving]
    assert [row for row in certain if not is_whole(row, from_events=from_events)] == []
    assert sessions.traces_merged_away(export.busy) > 0


def union_all(project: Project, subject: Subject, asked: Mapping[str, Any]) -> Beside:
    """An export of a table of ClickHouse beside all its writers."""
    add_first_versions(project, subject)
    writers, shown = clickhouse_writers(project, subject), tuple(subject.shown.values())
    return export_beside(project, asked, writers, shown)


def check(export: Beside) -> None:
    """All promises are kept, in many chunks, and while every writer was at work."""
    assert export.broken == {}
    assert export.idle == set()
    assert len(export.found.rows) == sum(export.found.part_rows)
    assert len(export.found.chunk_rows) > 10


def untouched(ids: Sequence[str]) -> list[str]:
    """The ids of rows that nobody ever touches, in the order of the file."""
    return [each for each in ids if each.endswith(QUIET)]
