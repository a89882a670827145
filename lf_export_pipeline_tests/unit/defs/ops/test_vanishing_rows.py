"""Rows that were planned and are not read: deleted meanwhile, or lost."""

import dagster as dg
import pytest

from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


def test_rows_that_vanish_are_counted_and_said(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.reader.vanished = {3, 4}

    world.run(instance)

    assert len(world.text.splitlines()) == 1 + 8
    assert world.state.log == "2 rows were deleted while the export ran."


def test_rows_may_go_on_vanishing_after_a_chunk_was_read(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row())
    world.reader.vanished = {3, 4}
    rows = world.reader.rows

    def delete_one_more(statement: Statement) -> list[tuple[object, ...]]:
        world.reader.vanished.add(5)
        return rows(statement)

    monkeypatch.setattr(world.reader, "rows", delete_one_more)
    world.reader.before_rows = lambda _numbers: world.reader.vanished.discard(5)

    world.run(instance)

    assert world.state.status == "COMPLETED"
    assert world.state.log == "2 rows were deleted while the export ran."


def test_rows_that_a_replica_does_not_know_yet_are_read_when_it_does(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row())
    world.reader.vanished = {3, 4}
    rows = world.reader.rows

    def catch_up_after_the_first_count(statement: Statement) -> list[tuple[object, ...]]:
        found = rows(statement)
        if "count(*)" in statement.sql:
            world.reader.vanished.clear()
        return found

    monkeypatch.setattr(world.reader, "rows", catch_up_after_the_first_count)

    world.run(instance)

    assert len(world.text.splitlines()) == 1 + 10
    assert world.state.log is None


@pytest.mark.parametrize(("lost", "repeated"), [({3}, 0), (set(), 1)])
def test_rows_that_no_deletion_explains_fail_the_export(
    instance: dg.DagsterInstance, lost: set[int], repeated: int
) -> None:
    world = World(export_row())
    world.reader.lost, world.reader.repeated = lost, repeated

    world.run(instance)

    assert world.state.status == "FAILED"
    assert not world.files.objects
