"""Tables with one object per project, and the audit logs of each day."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.lake.days import WHOLE
from lf_export_pipeline.lake.healing import Action
from lf_export_pipeline_tests.integration.lake.lake_world import DAYS, LakeWorld, ids

pytestmark = pytest.mark.services

FIRST, SECOND, *_ = DAYS
NOON = "2025-03-01T12:00:00.123"
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "sessions": ("trace_sessions", {"bookmarked": True, "environment": "prod"}),
    "comments": (
        "comments",
        {"object_type": "TRACE", "object_id": "t", "content": "well", "path": ["a", "b"]},
    ),
    "dataset_items": (
        "dataset_items",
        {"dataset_id": "d", "input": {"a": [1, "é"]}, "valid_from": NOON},
    ),
}
EACH = pytest.mark.parametrize("table", list(ROWS))


def add(world: LakeWorld, table: str, *names: str) -> None:
    stored, row = ROWS[table]
    when = {"created_at": NOON, "updated_at": NOON}
    world.add_to_postgres(
        stored, *({"id": f"{name}-{world.project}", **when, **row} for name in names)
    )


def names(world: LakeWorld, table: str, day: str = WHOLE) -> list[str]:
    return [name.removesuffix(f"-{world.project}") for name in ids(world.rows(table, day))]


@EACH
def test_a_table_without_days_is_one_object_of_a_project(world: LakeWorld, table: str) -> None:
    add(world, table, "b", "a")
    assert world.written(table, []) == {WHOLE: Action.WRITTEN}
    assert names(world, table) == ["a", "b"]
    assert world.rows(table, WHOLE)[0]["created_at"] == datetime(2025, 3, 1, 12, 0, 0, 123000, UTC)
    assert world.written(table, []) == {}


@EACH
def test_edits_and_deletions_in_postgres_are_followed(world: LakeWorld, table: str) -> None:
    stored, _ = ROWS[table]
    add(world, table, "a", "b")
    world.heal(table, [])
    world.run_on_postgres(f"DELETE FROM {stored} WHERE id = %s", f"a-{world.project}")
    assert world.written(table, []) == {WHOLE: Action.WRITTEN}
    assert names(world, table) == ["b"]
    edit = "bookmarked = false" if table == "sessions" else "created_at = '2025-01-01'"
    world.run_on_postgres(f"UPDATE {stored} SET {edit} WHERE id = %s", f"b-{world.project}")
    assert world.written(table, []) == {WHOLE: Action.WRITTEN}
    world.run_on_postgres(f"DELETE FROM {stored} WHERE project_id = %s", world.project)
    assert world.written(table, []) == {WHOLE: Action.EMPTIED}
    assert world.table(table, WHOLE) is None


def test_values_of_postgres_keep_their_types(world: LakeWorld) -> None:
    for table in ROWS:
        add(world, table, "a")
        world.heal(table, [])
    (item,), (comment,), (session,) = (
        world.rows(table, WHOLE) for table in ("dataset_items", "comments", "sessions")
    )
    assert (item["input"], item["valid_to"], item["is_deleted"]) == ('{"a": [1, "é"]}', None, False)
    assert (comment["path"], comment["object_type"]) == (["a", "b"], "TRACE")
    assert (session["bookmarked"], session["environment"]) == (True, "prod")


def test_an_instant_that_is_infinite_is_null_and_stops_no_table(world: LakeWorld) -> None:
    infinite = {table: [True, table == "dataset_items"] for table in ROWS}
    for table, (stored, _) in ROWS.items():
        add(world, table, "a", "b")
        column = "valid_to" if table == "dataset_items" else "updated_at"
        world.run_on_postgres(
            f"UPDATE {stored} SET {column} = 'infinity' WHERE id = %s", f"a-{world.project}"
        )
        assert world.written(table, []) == {WHOLE: Action.WRITTEN}
        assert [row[column] is None for row in world.rows(table, WHOLE)] == infinite[table]
        assert world.written(table, []) == {}


def test_the_name_of_a_dataset_is_followed(world: LakeWorld) -> None:
    world.add_to_postgres("datasets", {"id": "d", "name": "old"})
    add(world, "dataset_items", "a")
    world.heal("dataset_items", [])
    world.run_on_postgres("UPDATE datasets SET name = 'new' WHERE project_id = %s", world.project)
    assert world.written("dataset_items", []) == {WHOLE: Action.WRITTEN}
    assert [row["dataset_name"] for row in world.rows("dataset_items", WHOLE)] == ["new"]


def test_audit_logs_have_days(world: LakeWorld) -> None:
    base = {"resource_type": "trace", "resource_id": "t", "action": "delete", "org_id": "o"}
    for number, day in enumerate((FIRST, FIRST, SECOND)):
        when = {"created_at": f"{day}T23:59:59.999", "updated_at": f"{day}T23:59:59.999"}
        world.add_to_postgres("audit_logs", {"id": f"{number}-{world.project}", **base, **when})
    assert world.written("audit_logs") == {FIRST: Action.WRITTEN, SECOND: Action.WRITTEN}
    assert names(world, "audit_logs", FIRST) == ["0", "1"]
    assert world.written("audit_logs") == {}


def test_dataset_run_items_are_one_object(world: LakeWorld) -> None:
    world.add("dataset_run_items_rmt", {"id": "a", "dataset_run_name": "run"})
    assert world.written("dataset_run_items", []) == {WHOLE: Action.WRITTEN}
    world.add(
        "dataset_run_items_rmt",
        {"id": "a", "dataset_run_name": "renamed", "event_ts": "2025-03-09T00:00:00Z"},
    )
    assert world.written("dataset_run_items", []) == {WHOLE: Action.WRITTEN}
    assert [r["dataset_run_name"] for r in world.rows("dataset_run_items", WHOLE)] == ["renamed"]
    world.run("DELETE FROM dataset_run_items_rmt WHERE {here}")
    assert world.written("dataset_run_items", []) == {WHOLE: Action.EMPTIED}
