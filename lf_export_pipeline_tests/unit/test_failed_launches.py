"""Runs that could not even begin, as a code server refuses them that is being restarted."""

from collections.abc import Iterator

import dagster as dg
import pytest

from lf_export_pipeline import sensors
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.runs import endings
from lf_export_pipeline.runs.partitions import PARTITION_TAG, PARTITIONS_NAME
from lf_export_pipeline.runs.tags import queueing_tag
from lf_export_pipeline_tests.ended_runs import context_of_end
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

JOB = batch_export_job()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(PARTITIONS_NAME, ["export-1"])
        yield made


def launch_and_fail(instance: dg.DagsterInstance, world: World, *, begins: bool = False) -> None:
    """A run that fails without a word, of which the sensor is then told."""
    tags = {PARTITION_TAG: world.row.id, **queueing_tag(world.state)}
    run = instance.create_run_for_job(JOB, tags=tags)
    if begins:
        started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
        instance.report_dagster_event(started, run.run_id)
    instance.report_run_failed(run)
    kind = dg.DagsterEventType.RUN_FAILURE
    context = context_of_end(instance, run.run_id, kind, world.resources())
    sensors.runs_that_failed(JOB)(context.for_run_failure())


def test_an_export_whose_run_could_not_begin_waits_again(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    launch_and_fail(instance, world)
    assert world.state.status == "QUEUED"
    assert world.state.updated_at > world.row.updated_at  # which makes it a new attempt


def test_an_export_whose_run_began_and_died_is_failed(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    launch_and_fail(instance, world, begins=True)
    assert world.state.status == "FAILED"


def test_an_export_that_can_never_be_launched_is_failed_in_the_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "LAUNCHES_MAX", 3)
    world = World(export_row())
    for _ in range(2):
        launch_and_fail(instance, world)
        assert world.state.status == "QUEUED"
    launch_and_fail(instance, world)
    assert world.state.status == "FAILED"
