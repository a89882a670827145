"""What the sensor of terminated runs removes."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from lf_export_pipeline import sensors
from lf_export_pipeline.core.ownership import owner_of
from lf_export_pipeline.core.ports import IncompleteUpload
from lf_export_pipeline.emails import runs_without_email
from lf_export_pipeline.export_file.attempt_folder import AttemptFolder
from lf_export_pipeline.export_file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.runs.partitions import PARTITION_TAG
from lf_export_pipeline_tests.ended_runs import context_of_end
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

JOB = batch_export_job()
KEYS = ("exports/1931774400123-a.csv", "exports/1931774400124-b.csv")


def terminate(instance: dg.DagsterInstance, world: World, run: dg.DagsterRun) -> None:
    """The end of a run, of which the sensor is then told."""
    instance.report_run_canceled(run)
    kind = dg.DagsterEventType.RUN_CANCELED
    context = context_of_end(instance, run.run_id, kind, world.resources())
    sensors.runs_that_were_cancelled(JOB)(context)


def test_export_that_was_finished_when_its_run_was_terminated_is_owed_an_email() -> None:
    world = World(export_row(status="COMPLETED", url=f"https://bucket.test/{KEYS[0]}"))
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(JOB, tags={PARTITION_TAG: world.row.id})
        folder = AttemptFolder.of(world.spool, world.row.id, run.run_id)
        folder.write(OBJECT, ObjectKey(key=KEYS[0]))
        world.files.objects[KEYS[0]] = b"1"

        terminate(instance, world, run)

        assert [one.dagster_run.run_id for one in runs_without_email(instance, 9)] == [run.run_id]
    assert world.state.status == "COMPLETED"
    assert KEYS[0] in world.files.objects
    assert not world.spool.files


def test_objects_of_all_attempts_go_with_the_export_that_was_cancelled() -> None:
    world = World(export_row(status="PROCESSING"))
    with dg.DagsterInstance.ephemeral() as instance:
        tags, failed = {PARTITION_TAG: world.row.id}, dg.DagsterRunStatus.FAILURE
        earlier = instance.create_run_for_job(JOB, status=failed, tags=tags)
        run = instance.create_run_for_job(JOB, tags=tags)
        world.rows.start(world.row.id, run.run_id)
        for root_run, key in zip((run.run_id, earlier.run_id), KEYS, strict=True):
            folder = AttemptFolder.of(world.spool, world.row.id, root_run)
            folder.write(OBJECT, ObjectKey(key=key))
            world.files.objects[key] = b"1"
            world.files.incomplete.append(IncompleteUpload(key, "1", datetime.now(UTC)))

        terminate(instance, world, run)

    assert world.state.status == "CANCELLED"
    assert not world.files.objects
    assert not world.files.incomplete
    assert not world.spool.files


def test_a_run_that_begins_just_now_keeps_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody queues the export again while the sensor is at work."""
    world = World(export_row())
    made: list[AttemptFolder] = []

    with dg.DagsterInstance.ephemeral() as instance:

        def begin(row_id: str, *_: object) -> bool:
            run = instance.create_run_for_job(JOB, tags={PARTITION_TAG: row_id})
            world.rows.start(row_id, run.run_id)
            made.append(AttemptFolder.of(world.spool, row_id, run.run_id))
            made[0].write(OBJECT, ObjectKey(key=KEYS[0]))
            return False

        monkeypatch.setattr(world.rows, "cancel", begin)
        terminated = instance.create_run_for_job(JOB, tags={PARTITION_TAG: world.row.id})
        terminate(instance, world, terminated)

    assert made[0].has(OBJECT)


def test_an_attempt_of_another_dagster_with_the_same_spool_is_left_alone() -> None:
    world = World(export_row())
    elsewhere = AttemptFolder.of(world.spool, world.row.id, "run-of-another-dagster")
    elsewhere.write(OBJECT, ObjectKey(key=KEYS[0]))
    world.rows.start(world.row.id, "run-of-another-dagster")
    world.files.objects[KEYS[0]] = b"1"

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(JOB, tags={PARTITION_TAG: world.row.id})
        terminate(instance, world, run)

    assert elsewhere.has(OBJECT)
    assert KEYS[0] in world.files.objects
    assert owner_of(world.state) == "run-of-another-dagster"
