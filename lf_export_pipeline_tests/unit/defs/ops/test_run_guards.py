"""Several runs of one export: whose row it is, and what a late run may do."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.ownership import owner_of
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline.lifecycle.run_records import claim_of, has_live_sibling
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


def record_run(
    instance: dg.DagsterInstance, export_id: str, status: dg.DagsterRunStatus, **values: Any
) -> dg.DagsterRun:
    return instance.create_run_for_job(
        batch_export_job(), status=status, tags={PARTITION_TAG: export_id}, **values
    )


def test_failing_run_leaves_the_row_to_another_run_that_goes_on(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    record_run(instance, world.row.id, dg.DagsterRunStatus.STARTED)
    world.files.failures = [PermanentError("The bucket refuses it.")]

    result = world.run(instance)

    assert not result.success
    assert owner_of(world.state) == result.run_id


def test_failing_run_leaves_an_export_that_was_queued_again_meanwhile(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())

    def queue_again(_numbers: list[int]) -> None:
        world.rows.cancel(world.row.id)
        world.rows.requeue(world.row.id)
        raise PermanentError("The server gave up.")

    world.reader.before_rows = queue_again

    result = world.run(instance)

    assert not result.success
    assert (world.state.status, world.state.log) == ("QUEUED", None)


def test_run_that_goes_on_while_its_export_is_queued_again_publishes_nothing(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())

    def queue_again(_numbers: list[int]) -> None:
        world.rows.cancel(world.row.id)
        world.rows.requeue(world.row.id)

    world.reader.before_rows = queue_again

    result = world.run(instance)

    assert result.success
    assert world.state.status == "QUEUED"
    assert not world.files.objects
    assert not world.mailer.sent


def test_run_whose_export_another_run_has_finished_stands_down_and_leaves_nothing(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row(), environment={"LF_EXPORT_CHUNK_TARGET_MIB": "1"})
    world.reader.row_bytes = 340_000.0
    record_run(instance, world.row.id, dg.DagsterRunStatus.STARTED)
    now = datetime.now(UTC)

    def finish(_numbers: list[int]) -> None:
        row = world.state
        other = "https://bucket.test/other"
        done = replace(row, status="COMPLETED", url=other, log=None, finished_at=now)
        world.rows.rows[row.id] = replace(done, expires_at=now)

    world.reader.before_rows = finish

    result = world.run(instance)

    assert result.success
    assert (world.state.status, world.state.url) == ("COMPLETED", "https://bucket.test/other")
    assert not world.files.objects
    assert not world.mailer.sent
    assert not world.spool.files


def test_finished_export_leaves_the_files_of_a_run_that_goes_on(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    other = record_run(instance, world.row.id, dg.DagsterRunStatus.STARTED)
    folder = AttemptFolder.of(world.spool, world.row.id, other.run_id)
    folder.write(OBJECT, ObjectKey(key="exports/of-the-other"))
    world.files.objects = {"exports/of-the-other": b"on its way"}

    result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert folder.has(OBJECT)
    assert len(world.files.objects) == 2


def test_zombie_and_the_run_that_resumed_it_share_their_files(
    instance: dg.DagsterInstance,
) -> None:
    """A run that was taken for dead must not take them from the one that goes on with them."""
    world = World(export_row())
    shared: list[str] = []

    def resume_and_cancel(_numbers: list[int]) -> None:
        (zombie,) = instance.get_runs()
        record_run(
            instance,
            world.row.id,
            dg.DagsterRunStatus.STARTED,
            root_run_id=zombie.run_id,
            parent_run_id=zombie.run_id,
        )
        world.rows.cancel(world.row.id)
        shared.extend(path for path in world.spool.files if "keys-" in path)

    world.reader.before_rows = resume_and_cancel

    world.run(instance)

    assert shared
    assert set(shared) <= set(world.spool.files)


def test_mistake_in_the_program_is_not_tried_again(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.files.failures = [KeyError("missing"), KeyError("never asked for")]

    result = world.run(instance)

    assert not result.success
    assert world.state.status == "FAILED"
    assert len(world.files.failures) == 1


def test_of_a_mistake_its_kind_and_place_are_recorded_and_not_what_it_says(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    mistake = ValueError("Invalid header value b'hunter2'")
    mistake.__cause__ = KeyError("hunter3")
    world.files.failures = [mistake]

    result = world.run(instance)

    recorded = "".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert "hunter" not in recorded
    assert "RedactedError: ValueError; what it says is left out" in recorded
    assert "RedactedError: KeyError; what it says is left out" in recorded
    assert "raise self.failures.pop" in recorded


def test_of_what_may_pass_the_words_are_not_recorded_and_the_step_is_tried_again(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    world.files.failures = [RuntimeError("http://me:hunter2@bucket.test")]

    result = world.run(instance)

    recorded = "".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert world.state.status == "COMPLETED"
    assert "RedactedError: RuntimeError; what it says is left out" in recorded
    assert "hunter" not in recorded


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (dg.DagsterRunStatus.STARTED, True),
        (dg.DagsterRunStatus.CANCELING, True),
        (dg.DagsterRunStatus.FAILURE, False),
        (dg.DagsterRunStatus.SUCCESS, False),
    ],
)
def test_other_run_counts_as_long_as_it_has_not_ended(
    status: dg.DagsterRunStatus, expected: bool, instance: dg.DagsterInstance
) -> None:
    run = record_run(instance, "a", dg.DagsterRunStatus.FAILURE)
    record_run(instance, "a", status)
    record_run(instance, "b", dg.DagsterRunStatus.STARTED)

    assert has_live_sibling(instance, run) is expected


def test_reexecution_may_end_what_its_first_run_has_taken(instance: dg.DagsterInstance) -> None:
    first = record_run(instance, "a", dg.DagsterRunStatus.FAILURE)
    again = record_run(
        instance,
        "a",
        dg.DagsterRunStatus.STARTED,
        root_run_id=first.run_id,
        parent_run_id=first.run_id,
    )

    assert claim_of(again).owner == claim_of(first).owner == first.run_id
