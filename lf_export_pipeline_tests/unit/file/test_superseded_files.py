"""The file of an export that is made once more: it goes when the new one has its place."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.cleanup import discard_attempts, note_superseded
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


BUCKET = {"LANGFUSE_S3_BATCH_EXPORT_BUCKET": "bucket"}
KEY = "exports/1931774400123-lf-numbers-export-project-1.csv"
NEIGHBOUR = "exports/1931774400124-lf-numbers-export-project-1.csv"
HOUR = timedelta(hours=1)


def completed(key: str = KEY, expires_in: timedelta = HOUR) -> ExportRow:
    """An export with such a link; Langfuse's own worker names its objects like that, too."""
    url = f"https://bucket.test/{key}?X-Amz-Signature=1"
    expires_at = datetime.now(UTC) + expires_in
    return export_row(status="COMPLETED", url=url, expires_at=expires_at)


def world_with(row: ExportRow) -> World:
    world = World(row, environment=BUCKET)
    world.files.objects = {KEY: b"old", NEIGHBOUR: b"of another export"}
    return world


def test_an_export_that_is_made_again_leaves_one_file(instance: dg.DagsterInstance) -> None:
    world = world_with(completed())

    world.run(instance, force=True)

    assert world.state.status == "COMPLETED"
    (new,) = set(world.files.objects) - {NEIGHBOUR}
    assert new != KEY
    assert new in (world.state.url or "")
    assert not world.spool.folders()


def test_the_file_stays_while_the_new_one_fails_and_goes_with_the_next_that_does_not(
    instance: dg.DagsterInstance,
) -> None:
    world = world_with(completed())
    world.files.failures = [TransientError("The bucket is away.")] * 3

    world.run(instance, force=True)
    failed = world.state.status, set(world.files.objects)
    world.rows.requeue(world.row.id)
    world.run(instance)

    assert failed == ("FAILED", {KEY, NEIGHBOUR})
    assert world.state.status == "COMPLETED"
    assert KEY not in world.files.objects
    assert len(world.files.objects) == 2


def test_a_file_whose_process_died_after_the_new_one_was_published_goes_with_the_sweep() -> None:
    files, spool = MemoryObjectStore("bucket"), MemorySpool()
    files.objects = {KEY: b"old", NEIGHBOUR: b"new"}
    assert note_superseded(completed(), spool, files, "exports/") == KEY

    discard_attempts(spool, "export-1", files, completed(NEIGHBOUR))

    assert set(files.objects) == {NEIGHBOUR}
    assert not spool.folders()


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
@pytest.mark.parametrize(("expires_in", "stays"), [(HOUR, True), (-HOUR, False)])
def test_without_a_new_file_the_old_one_stays_as_long_as_its_link_works(
    status: str, expires_in: timedelta, *, stays: bool
) -> None:
    files, spool = MemoryObjectStore("bucket"), MemorySpool()
    files.objects = {KEY: b"old"}
    old = completed(expires_in=expires_in)
    note_superseded(old, spool, files, "exports/")

    for _ in range(2):
        discard_attempts(spool, "export-1", files, replace(old, status=status, url=None))

    assert (KEY in files.objects, bool(spool.folders())) == (stays, stays)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://elsewhere.example/exports/1931774400123-lf-numbers-export-project-1.csv",
        "https://bucket.test/other/1931774400123-lf-numbers-export-project-1.csv",
        "https://bucket.test/exports/1931774400123-lf-numbers-export-project-2.csv",
        "https://bucket.test/exports/1931774400123-lf-numbers-export-project-1-b.csv",
        "https://bucket.test/exports/1931774400123-lf-traces-export-project-1.csv",
        "https://bucket.test/exports/secret.csv",
    ],
)
def test_what_is_not_this_exports_own_file_is_not_touched(url: str | None) -> None:
    spool = MemorySpool()
    row = replace(completed(), url=url)
    assert note_superseded(row, spool, MemoryObjectStore("bucket"), "exports/") is None
    assert not spool.folders()


def test_a_file_that_is_published_after_all_stays() -> None:
    files, spool = MemoryObjectStore("bucket"), MemorySpool()
    files.objects = {KEY: b"old"}
    note_superseded(completed(), spool, files, "exports/")

    discard_attempts(spool, "export-1", files, completed())

    assert set(files.objects) == {KEY}
    assert not spool.folders()
