"""Exports of tables into which others insert, change, delete and merge as fast as they can."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.busy_clickhouse import (
    SUBJECTS,
    Subject,
    add_first_versions,
    clickhouse_writers,
)
from lf_export_pipeline_tests.integration.core.busy_postgres import Items, postgres_writers
from lf_export_pipeline_tests.integration.core.busy_writers import (
    CHANGING,
    LEAVING,
    QUIET,
    Busy,
    ids_of,
    text_of,
    version_of,
)

pytestmark = pytest.mark.services

CHUNK_ROWS = 150
SHOWN_OF_ITEMS = ("sourceTraceId", "input", "expectedOutput", "metadata")


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.table)
def test_while_others_write_no_row_is_lost_repeated_or_mixed(
    project: Project, subject: Subject
) -> None:
    add_first_versions(project, subject)
    shown = tuple(subject.shown.values())
    check_beside(project, subject.asked, shown, lambda: clickhouse_writers(project, subject))


def test_while_others_write_items_of_datasets_none_is_lost_repeated_or_mixed(
    project: Project,
) -> None:
    items = Items(project)
    items.add_first_versions()
    asked = {"table": "dataset_items"}
    check_beside(project, asked, SHOWN_OF_ITEMS, lambda: postgres_writers(project, items))


def check_beside(
    project: Project,
    asked: Mapping[str, Any],
    shown: Sequence[str],
    writers: Callable[[], AbstractContextManager[Busy]],
) -> None:
    """Exports while the writers are at work, and compares with an export before that."""
    before = by_id(project.export(**asked).rows)
    with writers() as busy:
        come, left, deeds = set(busy.come), set(busy.left), dict(busy.deeds)
        changed = dict(busy.changed)
        found = project.export(**asked, chunk_rows=CHUNK_ROWS)
        leaving, deeds_after = set(busy.leaving), dict(busy.deeds)
    rows = by_id(found.rows)
    assert len(found.chunk_rows) > 10
    assert all(deeds_after[deed] > times for deed, times in deeds.items())
    assert len(rows) == len(found.rows) == sum(found.part_rows)
    untouched = {*ids_of(QUIET), *ids_of(LEAVING)} - leaving
    assert {row_id for row_id in untouched if rows.get(row_id) != before[row_id]} == set()
    assert {*come, *ids_of(CHANGING)} <= set(rows)
    assert set(rows).isdisjoint(left)
    shown_versions = {row_id: version_shown(row, shown) for row_id, row in rows.items()}
    assert {row_id for row_id, version in shown_versions.items() if version < 0} == set()
    assert {row_id for row_id in changed if shown_versions[row_id] < changed[row_id]} == set()


def by_id(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {row["id"]: row for row in rows}


def version_shown(row: Mapping[str, Any], shown: Sequence[str]) -> int:
    """The version that all texts of a row say; -1 if they do not say the same."""
    text, *others = {row[name] for name in shown}
    version = version_of(text)
    return version if not others and text == text_of(row["id"], version) else -1
