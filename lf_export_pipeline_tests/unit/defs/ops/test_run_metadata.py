"""What an operator is told of a finished export, where it is counted from another point."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.partitions import ATTEMPT_TAG, PARTITIONS_NAME
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

MINUTE = timedelta(minutes=1)


def facts_of(
    world: World, instance: dg.DagsterInstance, *, force: bool = False
) -> dict[str, object]:
    result = world.run(instance, force=force)
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.mark.parametrize(
    ("status", "queued_ago", "minutes"),
    [("QUEUED", 60 * MINUTE, 60), ("QUEUED", 2 * MINUTE, 2), ("FAILED", 30 * MINUTE, 0)],
    ids=["asked for once", "queued again later", "asked for by a person, not by its row"],
)
def test_wait_is_counted_from_when_the_export_was_queued_for_the_last_time(
    instance: dg.DagsterInstance, status: str, queued_ago: timedelta, minutes: int
) -> None:
    now = datetime.now(UTC)
    row = export_row(status=status, created_at=now - 60 * MINUTE, updated_at=now - queued_ago)

    waited = facts_of(World(row), instance)["queue_wait_seconds"]

    assert isinstance(waited, float)
    assert minutes <= waited / 60 < minutes + 1


def test_runs_that_the_sensor_has_not_numbered_are_counted(instance: dg.DagsterInstance) -> None:
    world = World(export_row())

    assert [facts_of(world, instance, force=True)["attempt"] for _ in range(3)] == [1, 2, 3]


def test_words_in_the_tag_of_an_attempt_fail_no_export(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    instance.add_dynamic_partitions(PARTITIONS_NAME, [world.row.id])

    result = batch_export_job().execute_in_process(
        instance=instance,
        partition_key=world.row.id,
        tags={ATTEMPT_TAG: "the third"},
        resources=world.resources(),
    )
    world.uploads_ahead.close()

    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["attempt"].value == 1


def test_the_metadata_say_who_has_made_the_rows(instance: dg.DagsterInstance) -> None:
    assert facts_of(World(export_row()), instance)["rows_by"] == "arrow"
