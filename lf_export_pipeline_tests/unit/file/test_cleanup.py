"""What an attempt that ended early leaves in the bucket, and an end that nobody heard of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.stored_objects import IncompleteUpload
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_failed_attempt, discard_object
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository, MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

KEY = "exports/1931774400123-lf-traces-export-project-1.csv"
NOW = datetime(2031, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder() -> AttemptFolder:
    made = AttemptFolder(MemorySpool(), "export-1/run")
    made.write(OBJECT, ObjectKey(key=KEY))
    return made


def test_object_and_upload_of_an_unfinished_attempt_are_removed(folder: AttemptFolder) -> None:
    files = MemoryObjectStore()
    files.objects = {KEY: b"1", "another": b"2"}
    neighbour = IncompleteUpload(f"{KEY}.later", "other", NOW)
    files.incomplete = [IncompleteUpload(KEY, "ours", NOW), neighbour]

    assert discard_object(folder, files, export_row(status="FAILED")) == KEY

    assert set(files.objects) == {"another"}
    assert files.incomplete == [neighbour]


def test_object_that_was_published_stays(folder: AttemptFolder) -> None:
    files = MemoryObjectStore()
    files.objects = {KEY: b"1"}
    row = export_row(status="COMPLETED", url=f"https://bucket.test/{KEY}?signature=1")

    assert discard_object(folder, files, row) is None
    assert set(files.objects) == {KEY}


def test_attempt_that_never_wrote_leaves_nothing_to_remove() -> None:
    empty = AttemptFolder(MemorySpool(), "export-1/run")

    assert discard_object(empty, MemoryObjectStore(), None) is None


class HidesUploads(MemoryObjectStore):
    """A bucket whose policy, or whose moment, does not let unfinished uploads be listed."""

    def __init__(self, refusal: ExportError) -> None:
        super().__init__()
        self.refusal = refusal

    def incomplete_uploads(self, prefix: str) -> list[IncompleteUpload]:  # noqa: ARG002
        raise self.refusal


HIDDEN = pytest.mark.parametrize(
    "refusal", [ConfigurationError("Not to be listed."), TransientError("Busy.")]
)


@HIDDEN
def test_object_is_removed_also_where_uploads_cannot_be_listed(
    folder: AttemptFolder, refusal: ExportError
) -> None:
    files = HidesUploads(refusal)
    files.objects = {KEY: b"1"}

    assert discard_object(folder, files, export_row(status="CANCELLED")) == KEY

    assert not files.objects


@HIDDEN
def test_cancelled_export_ends_well_also_where_uploads_cannot_be_listed(
    refusal: ExportError, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row())
    world.files = HidesUploads(refusal)
    signed_url = world.files.signed_url

    def cancel_then_sign(key: str, expires_in: timedelta, file_name: str) -> str:
        world.rows.cancel(world.row.id)
        return signed_url(key, expires_in, file_name)

    monkeypatch.setattr(world.files, "signed_url", cancel_then_sign)

    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)

    assert result.success
    assert world.state.status == "CANCELLED"
    assert not world.files.objects
    assert not world.spool.files


OTHER = "https://bucket.test/exports/of-another-run.csv"


@pytest.mark.parametrize(
    ("row", "is_left"),
    [
        (export_row(status="FAILED"), True),
        (export_row(status="COMPLETED", url=f"https://bucket.test/{KEY}?signature=1"), True),
        (export_row(status="COMPLETED", url=OTHER), False),
        (export_row(status="CANCELLED"), False),
        (None, False),
    ],
    ids=["failed", "completed by it", "completed by another run", "cancelled", "gone"],
)
def test_what_a_failed_attempt_has_left_stays_only_for_those_who_go_on_with_it(
    folder: AttemptFolder, row: ExportRow | None, is_left: bool
) -> None:
    discard_failed_attempt(folder, MemoryObjectStore(), row)

    assert folder.has(OBJECT) is is_left


class LosesTheAnswer(FakeBatchExportRepository):
    """The update is made, but the connection breaks before that is known."""

    answers_lost = 1

    def complete(self, *args: Any, **values: Any) -> bool:
        done = super().complete(*args, **values)
        if self.answers_lost:
            self.answers_lost -= 1
            raise TransientError("The connection was lost.")
        return done


class IsCompletedByATwin(FakeBatchExportRepository):
    """A run of the same attempt that was taken for dead is a moment faster."""

    def complete(self, *args: Any, **values: Any) -> bool:
        super().complete(*args, **values)
        return False


def test_object_that_a_twin_has_published_is_not_taken_back() -> None:
    world = World(export_row())
    world.rows = IsCompletedByATwin(world.row)

    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert len(world.files.objects) == 1
    assert not world.mailer.sent


def test_export_whose_completion_was_not_heard_of_has_one_file_and_one_mail() -> None:
    world = World(export_row())
    world.rows = LosesTheAnswer(world.row)

    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert len(world.files.objects) == 1
    assert len(world.mailer.sent) == 1


def test_a_finished_export_removes_what_its_other_attempts_have_left() -> None:
    world = World(export_row())
    world.files.objects = {KEY: b"never published"}
    world.files.incomplete = [IncompleteUpload(KEY, "its upload", NOW)]

    with dg.DagsterInstance.ephemeral() as instance:
        killed = instance.create_run_for_job(
            batch_export_job(),
            status=dg.DagsterRunStatus.FAILURE,
            tags={PARTITION_TAG: world.row.id},
        )
        folder = AttemptFolder.of(world.spool, world.row.id, killed.run_id)
        folder.write(OBJECT, ObjectKey(key=KEY))
        world.run(instance)

    assert KEY not in world.files.objects
    assert len(world.files.objects) == 1
    assert not world.files.incomplete
    assert not world.spool.files
