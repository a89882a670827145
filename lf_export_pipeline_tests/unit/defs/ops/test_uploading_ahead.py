"""What the bucket sees while the chunks of an export are still being made."""

import threading
from collections.abc import Iterator

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import PermanentError, TransientError
from lf_export_pipeline.core.ports import ByteSource
from lf_export_pipeline.core.query.export_query import SerializedChunk
from lf_export_pipeline.core.stored_objects import UploadedObject
from lf_export_pipeline.file.upload_ahead import Send, UploadsAhead, UploadStoppedError
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool, Pieces
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

SECONDS = 10
LAST_NUMBER = 9


class WatchedFileStore(MemoryObjectStore):
    """Tells when the first row has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.row_arrived = threading.Event()

    def upload(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        return super().upload(key, Pieces(self._watched(source)), content_type, expected_bytes)

    def _watched(self, source: ByteSource) -> Iterator[bytes]:
        buffer = memoryview(bytearray(1 << 16))
        while length := source.readinto(buffer):
            piece = bytes(buffer[:length])
            yield piece
            if b"number 0" in piece:
                self.row_arrived.set()


class WithoutTheSecondPart(UploadsAhead):
    """As in a run that is resumed and whose step for the second chunk had never begun."""

    def offer(self, plan_folder: str, part: SerializedChunk, send: Send) -> None:
        if part.index != 1:
            super().offer(plan_folder, part, send)


@pytest.fixture
def world() -> World:
    """Ten rows in four chunks."""
    made = World(
        export_row(), environment={"LF_EXPORT_CHUNK_TARGET_MIB": "1", "LF_EXPORT_PARTS": "spool"}
    )
    made.reader.row_bytes = 340_000.0
    made.files = WatchedFileStore()
    return made


def wait_in_the_last_chunk(world: World) -> list[bool]:
    """Whether the first row was with the bucket, and no object, when the last chunk was read."""
    found: list[bool] = []
    files = world.files
    assert isinstance(files, WatchedFileStore)

    def look(numbers: list[int]) -> None:
        if LAST_NUMBER in numbers:
            found.extend([files.row_arrived.wait(SECONDS), not files.objects])

    world.reader.before_rows = look
    return found


def test_first_rows_are_sent_while_the_last_ones_are_read(
    world: World, instance: dg.DagsterInstance
) -> None:
    found = wait_in_the_last_chunk(world)

    world.run(instance)

    assert found == [True, True]
    assert len(world.text.splitlines()) == 1 + 10
    assert world.state.status == "COMPLETED"


def test_upload_that_breaks_off_is_made_again_as_a_whole(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.files.failures = [TransientError("The bucket was away.")]

    result = world.run(instance)

    assert result.success
    assert len(world.text.splitlines()) == 1 + 10
    assert len(world.mailer.sent) == 1
    assert world.reader.asked.count("rows") == 4


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_export_that_ends_early_leaves_no_object(
    world: World, instance: dg.DagsterInstance, status: str
) -> None:
    def end(numbers: list[int]) -> None:
        if LAST_NUMBER not in numbers:
            return
        if status == "FAILED":
            raise PermanentError("The server gave up.")
        world.rows.cancel(world.row.id)

    world.reader.before_rows = end
    before = set(threading.enumerate())

    world.run(instance)

    assert world.state.status == status
    assert world.files.objects == {}
    assert "upload-ahead" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_upload_that_fails_since_another_run_has_finished_the_export_is_no_failure(
    world: World, instance: dg.DagsterInstance
) -> None:
    upload = world.files.upload

    def lose(
        key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        upload(key, source, content_type, expected_bytes)
        world.rows.cancel(world.row.id)
        raise TransientError("The part is gone.")

    world.files.upload = lose  # type: ignore[method-assign]

    result = world.run(instance)

    assert result.success
    assert world.state.status == "CANCELLED"
    assert not world.mailer.sent


def test_export_whose_part_is_lost_with_the_list_of_chunks_fails_and_waits_for_nothing(
    world: World, instance: dg.DagsterInstance
) -> None:
    def lose(numbers: list[int]) -> None:
        if LAST_NUMBER not in numbers:
            return
        (part,) = [path for path in world.spool.files if "serialize_chunk[00001]" in path]
        lost = ("/chunks.json", "/part-00001.json")
        world.spool.files[part] = b"[]"
        for path in [path for path in world.spool.files if path.endswith(lost)]:
            del world.spool.files[path]

    world.environment["LF_EXPORT_STEP_TARGET_MIB"] = "1"
    world.reader.before_rows = lose
    world.uploads_ahead = WithoutTheSecondPart()

    result = world.run(instance)

    assert world.state.status == "FAILED"
    assert world.files.objects == {}
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error
    assert "Of 4 chunks 3 are there." in error.to_string()


def test_nothing_is_sent_early_when_it_is_off(world: World, instance: dg.DagsterInstance) -> None:
    world.uploads_ahead = UploadsAhead(is_on=False)
    files = world.files
    assert isinstance(files, WatchedFileStore)
    world.reader.before_rows = lambda _: (
        pytest.fail("It was sent.") if files.row_arrived.is_set() else None
    )

    world.run(instance)

    assert len(world.text.splitlines()) == 1 + 10


class NotesWhenItIsStopped(MemoryObjectStore):
    """An upload that writes once more to its attempt's folder when it is stopped."""

    is_stopped = False

    def __init__(self, spool: MemorySpool) -> None:
        super().__init__()
        self.spool = spool

    def upload(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        (attempt,) = self.spool.folders("export-1")
        try:
            return super().upload(key, source, content_type, expected_bytes)
        except UploadStoppedError:
            self.is_stopped = True
            with self.spool.create(f"export-1/{attempt}/late.json") as file:
                file.write(b"{}")
            raise


def test_upload_of_a_cancelled_export_is_stopped_before_its_folder_goes(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.files = files = NotesWhenItIsStopped(world.spool)

    def cancel(numbers: list[int]) -> None:
        if LAST_NUMBER in numbers:
            world.rows.cancel(world.row.id)

    world.reader.before_rows = cancel

    assert world.run(instance).success

    assert files.is_stopped
    assert world.state.status == "CANCELLED"
    assert not world.spool.files
