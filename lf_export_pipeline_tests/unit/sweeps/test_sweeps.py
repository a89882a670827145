"""The sweeps as jobs: what they say, what they do, and what they leave alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.stored_objects import IncompleteUpload
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.sweep_jobs import sweep, sweep_schedule
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_attempts
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, PARTITIONS_NAME
from lf_export_pipeline.sweeps import spool_folders
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

LONG_AGO = datetime.now(UTC) - timedelta(days=60)
KEY = "exports/1931774400123-lf-traces-export-project-1.csv"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Refusing(MemoryObjectStore):
    """A bucket that keeps some of its objects, whoever asks."""

    def __init__(self, *kept: str) -> None:
        super().__init__()
        self.kept = kept

    def delete(self, key: str) -> None:
        if key in self.kept:
            raise ConfigurationError("The bucket refuses access.")
        super().delete(key)


def sweep_all(
    op: str, world: World, instance: dg.DagsterInstance, *, in_earnest: bool
) -> dict[str, object]:
    """Run the job as its schedule does, or as somebody does who only presses the button."""
    request = sweep_schedule(dg.build_schedule_context())
    assert isinstance(request, dg.RunRequest)
    result = sweep.execute_in_process(
        run_config=request.run_config if in_earnest else None,
        instance=instance,
        resources=world.resources(),
        raise_on_error=True,
    )
    (event,) = result.filter_events(
        lambda event: event.is_successful_output and event.step_key == op
    )
    return {key: value.value for key, value in event.step_output_data.metadata.items()}


def test_the_sweep_has_its_schedule_in_earnest() -> None:
    assert sweep_schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    request = sweep_schedule(dg.build_schedule_context())
    assert isinstance(request, dg.RunRequest)
    configs = request.run_config["ops"].values()
    assert [one["config"]["dry_run"] for one in configs] == [False, False]


@pytest.mark.parametrize("in_earnest", [False, True])
def test_spool_is_swept(in_earnest: bool, instance: dg.DagsterInstance) -> None:
    world = World(export_row("done", status="COMPLETED", updated_at=LONG_AGO))
    world.rows.add(export_row("busy", status="PROCESSING", updated_at=LONG_AGO))
    for name in ("done/run/part", "busy/run/part", "elsewhere/file"):
        with world.spool.create(name) as file:
            file.write(b"1")

    said = sweep_all("sweep_spool_folders", world, instance, in_earnest=in_earnest)

    left = ["busy", "elsewhere"] if in_earnest else ["busy", "done", "elsewhere"]
    assert world.spool.folders() == left
    assert (said["removed"], said["looked_at"]) == (int(in_earnest), 3)
    assert "| done | " in str(said["report"])


def attempt(world: World, export_id: str, root_run: str, key: str) -> AttemptFolder:
    """What an attempt leaves whose object is in the bucket."""
    folder = AttemptFolder.of(world.spool, export_id, root_run)
    folder.write(OBJECT, ObjectKey(key=key))
    world.files.objects[key] = b"1"
    return folder


def done_with(key: str) -> World:
    url = f"https://bucket.test/{key}?signature=1"
    return World(export_row("done", status="COMPLETED", updated_at=LONG_AGO, url=url))


def test_objects_that_were_not_published_go_with_the_folders_that_note_them(
    instance: dg.DagsterInstance,
) -> None:
    published, lost = KEY, KEY.replace("project-1", "lost")
    world = done_with(published)
    attempt(world, "done", "run-1", published)
    attempt(world, "done", "run-2", lost)
    upload = IncompleteUpload(lost, "its upload", datetime.now(UTC))
    world.files.incomplete = [upload]

    sweep_all("sweep_spool_folders", world, instance, in_earnest=False)
    assert set(world.files.objects) == {published, lost}
    sweep_all("sweep_spool_folders", world, instance, in_earnest=True)

    assert set(world.files.objects) == {published}
    assert not world.files.incomplete
    assert not world.spool.files


def test_folder_stays_that_notes_an_object_which_cannot_be_deleted(
    instance: dg.DagsterInstance,
) -> None:
    stubborn = KEY.replace("project-1", "stubborn")
    world = done_with(KEY)
    world.files = Refusing(stubborn)
    folder = attempt(world, "done", "run-1", stubborn)

    with pytest.raises(dg.Failure, match="1 could not be deleted: The bucket refuses access"):
        sweep_all("sweep_spool_folders", world, instance, in_earnest=True)

    assert folder.has(OBJECT)


def test_spool_of_an_export_with_a_live_run_is_left_alone(instance: dg.DagsterInstance) -> None:
    world = World(export_row("done", status="COMPLETED", updated_at=LONG_AGO))
    instance.create_run_for_job(
        batch_export_job(), status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: "done"}
    )
    with world.spool.create("done/run/part") as file:
        file.write(b"1")

    sweep_all("sweep_spool_folders", world, instance, in_earnest=True)

    assert world.spool.folders() == ["done"]


def test_spool_of_an_export_that_is_started_again_during_the_sweep_is_left_alone(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row("a", status="FAILED", updated_at=LONG_AGO))
    world.rows.add(export_row("b", status="FAILED", updated_at=LONG_AGO))
    for name in ("a/run/part", "b/run/part"):
        with world.spool.create(name) as file:
            file.write(b"1")

    def remove_while_b_is_queued(*arguments: Any) -> None:
        discard_attempts(*arguments)
        world.rows.requeue("b")

    monkeypatch.setattr(spool_folders, "discard_attempts", remove_while_b_is_queued)

    sweep_all("sweep_spool_folders", world, instance, in_earnest=True)

    assert world.spool.folders() == ["b"]


@pytest.mark.parametrize("in_earnest", [False, True])
def test_old_partitions_are_pruned(in_earnest: bool, instance: dg.DagsterInstance) -> None:
    world = World(export_row("new"))
    world.rows.add(export_row("old", created_at=LONG_AGO))
    world.rows.add(export_row("busy", created_at=LONG_AGO))
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["new", "old", "busy", "nothing"])
    instance.create_run_for_job(
        batch_export_job(), status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: "busy"}
    )

    sweep_all("prune_old_partitions", world, instance, in_earnest=in_earnest)

    left = {"new", "busy"} if in_earnest else {"new", "old", "busy", "nothing"}
    assert set(instance.get_dynamic_partitions(PARTITIONS_NAME)) == left


class StubbornSpool(MemorySpool):
    """A spool whose folder ``a`` belongs to somebody else."""

    def remove(self, folder: str) -> None:
        if folder.partition("/")[0] == "a":
            raise ConfigurationError("The spool cannot be written.")
        super().remove(folder)


def test_folder_that_cannot_be_removed_stops_no_other(instance: dg.DagsterInstance) -> None:
    world = World(export_row("a", status="COMPLETED", updated_at=LONG_AGO))
    world.rows.add(export_row("b", status="COMPLETED", updated_at=LONG_AGO))
    world.spool = StubbornSpool()
    for name in ("a/run/part", "b/run/part"):
        with world.spool.create(name) as file:
            file.write(b"1")

    with pytest.raises(dg.Failure, match="1 could not be deleted"):
        sweep_all("sweep_spool_folders", world, instance, in_earnest=True)

    assert world.spool.folders() == ["a"]
