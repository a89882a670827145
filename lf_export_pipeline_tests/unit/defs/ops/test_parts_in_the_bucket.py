"""What the bucket sees of an export whose chunks are sent as they are read."""

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import PermanentError, TransientError
from lf_export_pipeline.core.stored_objects import BegunUpload, UploadedPart
from lf_export_pipeline.file import bucket_file
from lf_export_pipeline_tests.fakes import MemoryObjectStore
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.unit.defs.ops.test_job import small_chunks
from lf_export_pipeline_tests.world import World

PART_BYTES = 16
LAST_NUMBER = 9
EACH_CHUNK_A_STEP = {"LF_EXPORT_STEP_TARGET_MIB": "1"}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_file, "_part_bytes", lambda *_: PART_BYTES)


@pytest.fixture
def world() -> World:
    """Ten rows in four chunks."""
    return small_chunks(World(export_row()))


def assert_one_right_file(world: World) -> None:
    assert [line.split(",")[0] for line in world.text.splitlines()[1:]] == [
        f'"n{number}"' for number in range(10)
    ]
    assert world.text.startswith('"id","name"\n')
    assert world.state.status == "COMPLETED"
    assert len(world.mailer.sent) == 1
    assert (world.files.incomplete, world.spool.files) == ([], {})


def test_first_rows_are_in_the_bucket_while_the_last_ones_are_read(
    world: World, instance: dg.DagsterInstance
) -> None:
    found: list[bytes] = []

    def look(numbers: list[int]) -> None:
        if LAST_NUMBER in numbers:
            (parts,) = world.files.parts.values()
            found.extend(parts.values())
            assert not world.files.objects

    world.reader.before_rows = look

    world.run(instance)

    assert b"".join(found).startswith(b'"id","name"\n"n0","nu')
    assert_one_right_file(world)


def test_nothing_of_the_rows_is_in_the_spool_but_what_fills_no_part(
    world: World, instance: dg.DagsterInstance
) -> None:
    found: list[int] = []

    def look(numbers: list[int]) -> None:
        rests = [path for path in world.spool.files if "/rest-" in path]
        assert not [path for path in world.spool.files if path.endswith("/part-00000")]
        assert len(rests) <= 2
        found.extend(len(world.spool.files[path]) for path in rests)

    world.reader.before_rows = look

    world.run(instance)

    assert found
    assert max(found) < PART_BYTES


@pytest.mark.parametrize("first", [0, 3])
def test_steps_that_come_before_the_retry_of_another_write_its_chunks_too(
    world: World, instance: dg.DagsterInstance, first: int
) -> None:
    """Dagster goes on with the next steps until a step that has failed is tried again."""
    world.environment |= EACH_CHUNK_A_STEP
    failures = [TransientError("A bad moment.")]

    def fail_once(numbers: list[int]) -> None:
        if first in numbers and failures:
            raise failures.pop()

    world.reader.before_rows = fail_once

    result = world.run(instance)

    assert result.success
    assert_one_right_file(world)
    assert world.reader.asked.count("rows") == 4 + 1


def test_upload_that_cannot_be_completed_is_completed_by_the_next_try(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.files.failures = [TransientError("The bucket was away.")]

    result = world.run(instance)

    assert result.success
    assert_one_right_file(world)
    assert world.reader.asked.count("rows") == 4


def test_upload_that_a_rule_of_the_bucket_has_aborted_is_begun_anew(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.environment |= EACH_CHUNK_A_STEP
    aborted: list[str] = []

    def abort(numbers: list[int]) -> None:
        if LAST_NUMBER in numbers and not aborted:
            (upload,) = world.files.incomplete
            aborted.append(upload.upload_id)
            world.files.abort(upload)

    world.reader.before_rows = abort

    result = world.run(instance)

    assert result.success
    assert aborted
    assert_one_right_file(world)


def test_rows_that_are_read_again_are_in_the_file_once(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Where a replica that lags has given too few of them."""

    lost = [4]

    def lag(numbers: list[int]) -> None:
        world.reader.lost = {lost.pop()} if lost and lost[0] in numbers else set()

    world.reader.before_rows = lag

    assert world.run(instance).success
    assert_one_right_file(world)
    assert world.reader.asked.count("rows") == 4 + 1


@pytest.mark.parametrize("vanished", [{0, 1, 2}, {3, 4, 5}, {9}, {*range(10)}])
def test_chunks_whose_rows_have_all_vanished_leave_no_trace(
    world: World, instance: dg.DagsterInstance, vanished: set[int]
) -> None:
    world.reader.vanished = vanished

    world.run(instance)

    left = [f'"n{number}"' for number in range(10) if number not in vanished]
    assert [line.split(",")[0] for line in world.text.splitlines()[1:]] == left
    assert world.text.startswith('"id","name"\n') is bool(left)


def end_at_the_last_chunk(world: World, status: str) -> None:
    def end(numbers: list[int]) -> None:
        if LAST_NUMBER not in numbers:
            return
        assert world.files.incomplete
        if status == "FAILED":
            raise PermanentError("The server gave up.")
        if status == "gone":
            del world.rows.rows[world.row.id]
        else:
            world.rows.cancel(world.row.id)

    world.reader.before_rows = end


@pytest.mark.parametrize("status", ["CANCELLED", "gone"])
def test_export_that_is_stopped_leaves_no_part(
    world: World, instance: dg.DagsterInstance, status: str
) -> None:
    end_at_the_last_chunk(world, status)

    world.run(instance)

    assert (world.files.objects, world.files.incomplete, world.spool.files) == ({}, [], {})


def test_export_that_fails_keeps_its_parts_and_shows_no_object(
    world: World, instance: dg.DagsterInstance
) -> None:
    end_at_the_last_chunk(world, "FAILED")

    world.run(instance)

    assert world.state.status == "FAILED"
    assert world.files.objects == {}
    assert len(world.files.incomplete) == 1


def test_a_new_attempt_aborts_what_the_failed_one_has_kept(
    world: World, instance: dg.DagsterInstance
) -> None:
    end_at_the_last_chunk(world, "FAILED")
    world.run(instance)
    (kept,) = world.files.incomplete
    world.reader.before_rows = lambda _: None
    world.rows.requeue(world.row.id)
    world.mailer.sent.clear()

    assert world.run(instance).success

    assert kept.upload_id not in world.files.parts
    assert_one_right_file(world)


class FullBucket(MemoryObjectStore):
    """Takes one part, and no more."""

    def send_part(self, upload: BegunUpload, number: int, data: memoryview) -> UploadedPart:
        if number > 1:
            raise PermanentError("The bucket is full.")
        return super().send_part(upload, number, data)


def test_bucket_that_takes_no_more_fails_the_export_with_its_sentence(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.files = FullBucket()

    world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", "The bucket is full.")
    assert world.files.objects == {}


def test_export_whose_list_of_chunks_is_lost_fails_and_publishes_nothing(
    world: World, instance: dg.DagsterInstance
) -> None:
    def lose(numbers: list[int]) -> None:
        if LAST_NUMBER in numbers:
            world.spool.files = {
                path: data
                for path, data in world.spool.files.items()
                if not path.endswith(("/chunks.json", "/sent-00001.json"))
            }

    world.environment |= EACH_CHUNK_A_STEP
    world.reader.before_rows = lose

    world.run(instance)

    assert world.state.status == "FAILED"
    assert world.files.objects == {}
