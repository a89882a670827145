"""The sweeps as jobs: what they say, what they do, and what they leave alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import ConfigurationError, TransientError
from lf_export_pipeline.core.ports import IncompleteUpload
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.sweep_jobs import SWEEP_SCHEDULES, SWEEPS
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_attempts
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, PARTITIONS_NAME
from lf_export_pipeline.sweeps import spool_folders
from lf_export_pipeline.sweeps.expired_files import DELETED_SENTENCE
from lf_export_pipeline_tests.fakes import MemoryFileStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

LONG_AGO = datetime.now(UTC) - timedelta(days=60)
KEY = "exports/1931774400123-lf-traces-export-project-1.csv"
SERVICE = {"LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": "https://bucket.test"}
SWITCHED_ON = SERVICE | {"LF_EXPORT_DELETE_EXPIRED_FILES": "true"}
JOBS = {job.name: job for job in SWEEPS}
IN_EARNEST = {
    schedule.job.name: schedule.evaluate_tick(dg.build_schedule_context()).run_requests
    for schedule in SWEEP_SCHEDULES
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def sweep(
    name: str, world: World, instance: dg.DagsterInstance, *, in_earnest: bool
) -> dict[str, object]:
    """Run a sweep as its schedule does, or as somebody does who only presses the button."""
    (request,) = IN_EARNEST[name] or ()
    result = JOBS[name].execute_in_process(
        run_config=request.run_config if in_earnest else None,
        instance=instance,
        resources=world.resources(),
    )
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    return {key: value.value for key, value in event.step_output_data.metadata.items()}


def test_every_sweep_has_its_schedule_in_earnest() -> None:
    assert IN_EARNEST.keys() == JOBS.keys()
    assert all(s.default_status is dg.DefaultScheduleStatus.RUNNING for s in SWEEP_SCHEDULES)


@pytest.mark.parametrize("in_earnest", [False, True])
def test_spool_is_swept(in_earnest: bool, instance: dg.DagsterInstance) -> None:
    world = World(export_row("done", status="COMPLETED", updated_at=LONG_AGO))
    world.rows.add(export_row("busy", status="PROCESSING", updated_at=LONG_AGO))
    for name in ("done/run/part", "busy/run/part", "elsewhere/file"):
        with world.spool.create(name) as file:
            file.write(b"1")

    said = sweep("sweep_spool", world, instance, in_earnest=in_earnest)

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

    sweep("sweep_spool", world, instance, in_earnest=False)
    assert set(world.files.objects) == {published, lost}
    sweep("sweep_spool", world, instance, in_earnest=True)

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
        sweep("sweep_spool", world, instance, in_earnest=True)

    assert folder.has(OBJECT)


def test_spool_of_an_export_with_a_live_run_is_left_alone(instance: dg.DagsterInstance) -> None:
    world = World(export_row("done", status="COMPLETED", updated_at=LONG_AGO))
    instance.create_run_for_job(
        batch_export_job(), status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: "done"}
    )
    with world.spool.create("done/run/part") as file:
        file.write(b"1")

    sweep("sweep_spool", world, instance, in_earnest=True)

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

    sweep("sweep_spool", world, instance, in_earnest=True)

    assert world.spool.folders() == ["b"]


@pytest.mark.parametrize("in_earnest", [False, True])
def test_abandoned_uploads_are_aborted(in_earnest: bool, instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    old = IncompleteUpload(KEY, "old", LONG_AGO)
    others = [
        IncompleteUpload(KEY, "new", datetime.now(UTC)),
        IncompleteUpload("exports/movie.mp4", "other", LONG_AGO),
    ]
    world.files.incomplete = [old, *others]

    sweep("abort_uploads", world, instance, in_earnest=in_earnest)

    assert world.files.incomplete == (others if in_earnest else [old, *others])


@pytest.mark.parametrize("in_earnest", [False, True])
def test_old_partitions_are_pruned(in_earnest: bool, instance: dg.DagsterInstance) -> None:
    world = World(export_row("new"))
    world.rows.add(export_row("old", created_at=LONG_AGO))
    world.rows.add(export_row("busy", created_at=LONG_AGO))
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["new", "old", "busy", "nothing"])
    instance.create_run_for_job(
        batch_export_job(), status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: "busy"}
    )

    sweep("prune_partitions", world, instance, in_earnest=in_earnest)

    left = {"new", "busy"} if in_earnest else {"new", "old", "busy", "nothing"}
    assert set(instance.get_dynamic_partitions(PARTITIONS_NAME)) == left


@pytest.mark.parametrize(
    ("in_earnest", "switch", "is_deleted"),
    [(True, "true", True), (True, "false", False), (False, "true", False)],
)
def test_expired_files_go_only_where_that_was_asked_for(
    in_earnest: bool, switch: str, is_deleted: bool, instance: dg.DagsterInstance
) -> None:
    url = f"https://bucket.test/exports/{KEY}"
    expired = export_row("old", status="COMPLETED", url=url, expires_at=LONG_AGO)
    fresh = export_row(
        "new", status="COMPLETED", url=url, expires_at=datetime.now(UTC) + timedelta(days=1)
    )
    world = World(expired, environment=SERVICE | {"LF_EXPORT_DELETE_EXPIRED_FILES": switch})
    world.rows.add(fresh)
    world.files.objects = {KEY: b"1"}

    sweep("delete_expired_files", world, instance, in_earnest=in_earnest)

    assert (KEY not in world.files.objects) is is_deleted
    assert world.state.url == (None if is_deleted else url)
    assert world.state.log == (DELETED_SENTENCE if is_deleted else None)
    assert world.rows.rows["new"] == fresh


def expired_row(export_id: str, url: str, days: int = 0) -> ExportRow:
    asked_at = LONG_AGO + timedelta(days=days)
    return export_row(
        export_id, status="COMPLETED", url=url, created_at=asked_at, expires_at=asked_at
    )


def test_links_that_lead_elsewhere_hide_no_expired_file_behind_them(
    instance: dg.DagsterInstance,
) -> None:
    ours = expired_row("ours", f"https://bucket.test/exports/{KEY}", days=1)
    world = World(ours, environment=SWITCHED_ON)
    for number in range(SEARCH_MAX_ROWS):
        world.rows.add(expired_row(f"elsewhere-{number}", "https://elsewhere.test/file"))
    world.files.objects = {KEY: b"1"}

    said = sweep("delete_expired_files", world, instance, in_earnest=True)

    assert not world.files.objects
    assert world.state.url is None
    assert (said["removed"], said["looked_at"]) == (1, SEARCH_MAX_ROWS + 1)


class Refusing(MemoryFileStore):
    """A bucket that keeps some of its objects and uploads, whoever asks."""

    def __init__(self, *kept: str) -> None:
        super().__init__()
        self.kept = kept

    def delete(self, key: str) -> None:
        if key in self.kept:
            raise ConfigurationError("The bucket refuses access.")
        super().delete(key)

    def abort(self, upload: IncompleteUpload) -> None:
        if upload.key in self.kept:
            raise TransientError("The bucket's service was busy.")
        super().abort(upload)


def test_file_that_cannot_be_deleted_stops_no_other_and_is_reported(
    instance: dg.DagsterInstance,
) -> None:
    stubborn, plain = KEY.replace("project-1", "stubborn"), KEY
    world = World(
        expired_row("a", f"https://bucket.test/exports/{stubborn}"), environment=SWITCHED_ON
    )
    world.rows.add(expired_row("b", f"https://bucket.test/exports/{plain}", days=1))
    world.files = Refusing(stubborn)
    world.files.objects = {stubborn: b"1", plain: b"2"}

    with pytest.raises(dg.Failure) as failure:
        sweep("delete_expired_files", world, instance, in_earnest=True)

    assert set(world.files.objects) == {stubborn}
    assert world.state.url is not None
    assert world.rows.rows["b"].url is None
    assert failure.value.description == (
        "1 deleted, 0 kept, 1 could not be deleted: The bucket refuses access."
    )
    assert "| a | not deleted | The bucket refuses access. |" in str(
        failure.value.metadata["report"].value
    )


def test_upload_that_cannot_be_aborted_stops_no_other(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    stubborn = IncompleteUpload(KEY.replace("project-1", "stubborn"), "stubborn", LONG_AGO)
    world.files = Refusing(stubborn.key)
    world.files.incomplete = [stubborn, IncompleteUpload(KEY, "plain", LONG_AGO)]

    with pytest.raises(dg.Failure, match="1 could not be deleted"):
        sweep("abort_uploads", world, instance, in_earnest=True)

    assert world.files.incomplete == [stubborn]


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
        sweep("sweep_spool", world, instance, in_earnest=True)

    assert world.spool.folders() == ["a"]
