"""Rows that are changed, deleted or added between the key scan and the reading of their chunk."""

import json
from collections.abc import Callable

import pytest

from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.test_versions import BOTH, at

pytestmark = [pytest.mark.services, pytest.mark.sampled]

Change = Callable[[Project, str], None]


def _changed(project: Project, table: str) -> None:
    project.add(table, {"id": "b", "name": "changed", "event_ts": at(9)})


def _deleted(project: Project, table: str) -> None:
    project.add(table, {"id": "b", "event_ts": at(9), "is_deleted": 1})


def _added(project: Project, table: str) -> None:
    project.add(table, {"id": "bb", "event_ts": at(9)})


@BOTH
@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_changed, [("a", "chat"), ("b", "changed"), ("c", "chat")]),
        (_deleted, [("a", "chat"), ("c", "chat")]),
        (_added, [("a", "chat"), ("b", "chat"), ("c", "chat")]),
    ],
)
def test_changes_between_scan_and_reading_neither_repeat_nor_lose_other_rows(
    project: Project, table: str, chunk_rows: int, change: Change, expected: list[tuple[str, str]]
) -> None:
    project.add(table, *({"id": name, "name": "chat"} for name in "abc"))
    found = project.export(
        table, chunk_rows=chunk_rows, before_reading=lambda: change(project, table)
    )
    assert [(row["id"], row["name"]) for row in found.rows] == expected
    assert sum(found.chunk_rows) == 3


@BOTH
@pytest.mark.parametrize(("file_format", "empty"), [("CSV", b""), ("JSON", b"[]"), ("JSONL", b"")])
def test_an_export_whose_rows_all_vanish_is_an_empty_one(
    project: Project, table: str, file_format: str, empty: bytes
) -> None:
    project.add(table, {"id": "a"}, {"id": "b"})

    def delete_all() -> None:
        gone = {"event_ts": at(1), "is_deleted": 1}
        project.add(table, {"id": "a", **gone}, {"id": "b", **gone})

    found = project.export(table, chunk_rows=1, file_format=file_format, before_reading=delete_all)
    assert found.data == empty
    assert (found.chunk_rows, found.part_rows) == ((1, 1), (0, 0))


@BOTH
def test_a_chunk_whose_rows_vanish_leaves_no_gap_in_the_file(project: Project, table: str) -> None:
    project.add(table, *({"id": name} for name in "abc"))
    gone = {"id": "b", "event_ts": at(1), "is_deleted": 1}
    found = project.export(
        table,
        chunk_rows=1,
        file_format="JSON",
        before_reading=lambda: project.add(table, gone),
    )
    assert [row["id"] for row in json.loads(found.data)] == ["a", "c"]
