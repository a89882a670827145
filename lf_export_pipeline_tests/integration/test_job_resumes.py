"""Re-execution from the failed step, as the UI and Dagster's run retries do it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
import xxhash

from lf_export_pipeline.core.errors import ConfigurationError, PermanentError
from lf_export_pipeline.core.query.export_query import SerializedChunk
from lf_export_pipeline.file import bucket_file
from lf_export_pipeline_tests import numbers_table
from lf_export_pipeline_tests.fakes import MemoryObjectStore
from lf_export_pipeline_tests.integration.resuming import (
    WORLDS,
    execute,
    execute_with,
    instance_in,
    resumable_world,
)
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


@pytest.fixture(params=["bucket", "spool"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(bucket_file, "_part_bytes", lambda *_: PART_BYTES)
    with resumable_world(request.param) as made:
        yield made


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_in(tmp_path) as local:
        yield local


PART_BYTES = 16

in_spool = pytest.mark.parametrize("world", ["spool"], indirect=True)


def fail_on(number: int) -> None:
    def before_rows(numbers: list[int]) -> None:
        if number in numbers:
            raise PermanentError("The server gave up.")

    WORLDS[-1].reader.before_rows = before_rows


def test_reexecution_makes_only_the_parts_that_are_missing(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(4)
    failed_run, _ = execute(instance)
    assert world.state.status == "FAILED"
    world.reader.before_rows = lambda _numbers: None
    world.reader.asked.clear()

    _, success = execute(instance, failed_run)

    assert success
    assert "scan" not in world.reader.asked
    assert world.reader.asked.count("rows") < 4
    assert world.state.status == "COMPLETED"
    assert len(world.text.splitlines()) == 1 + 10
    assert len(world.files.objects) == 1
    assert len(world.mailer.sent) == 1
    assert (world.files.incomplete, world.spool.folders()) == ([], [])


@pytest.mark.parametrize("is_uploaded", [False, True])
def test_reexecution_after_a_change_of_the_prefix_uses_the_new_one(
    is_uploaded: bool, world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> str:
        raise PermanentError("It cannot be signed.")

    with monkeypatch.context() as broken:
        if is_uploaded:
            broken.setattr(world.files, "signed_url", break_off)
        else:
            world.files.failures = [PermanentError("The bucket refuses it.")]
        failed_run, _ = execute(instance)
    world.environment["LANGFUSE_S3_BATCH_EXPORT_PREFIX"] = "elsewhere/"

    _, success = execute(instance, failed_run)

    assert success
    (key,) = world.files.objects
    assert key.startswith("elsewhere/")
    assert key in (world.state.url or "")


def test_reexecution_after_a_change_of_the_bucket_leaves_one_file_in_the_new_one(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was in the old bucket, and its process was killed before it could take it back."""

    def break_off(*_: object) -> str:
        raise PermanentError("It cannot be signed.")

    with monkeypatch.context() as broken:
        broken.setattr(world.files, "signed_url", break_off)
        failed_run, _ = execute(instance)
    world.environment["LANGFUSE_S3_BATCH_EXPORT_BUCKET"] = "another"
    old, world.files = world.files, MemoryObjectStore("another")
    world.files.others[old.bucket] = old
    assert len(old.objects) == 1
    old.objects["exports/of-somebody-else"] = b""

    _, success = execute(instance, failed_run)

    assert success
    (key,) = world.files.objects
    assert key in (world.state.url or "")
    assert set(old.objects) == {"exports/of-somebody-else"}
    assert (world.state.status, world.state.log) == ("COMPLETED", None)
    assert len(world.mailer.sent) == 1


def test_reexecution_ends_well_though_the_old_bucket_is_gone(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.files.failures = [PermanentError("The bucket is gone.")]
    failed_run, _ = execute(instance)
    world.environment["LANGFUSE_S3_BATCH_EXPORT_BUCKET"] = "another"
    world.files = BucketBesideOneThatIsGone("another")

    _, success = execute(instance, failed_run)

    assert success
    (key,) = world.files.objects
    assert key in (world.state.url or "")
    assert not world.spool.folders()


class BucketThatIsGone(MemoryObjectStore):
    """Nothing can be deleted in it."""

    def delete(self, key: str) -> None:
        raise ConfigurationError(f"The bucket of {key} does not exist.")


class BucketBesideOneThatIsGone(MemoryObjectStore):
    """A bucket of a service that has no other any more."""

    def of_bucket(self, bucket: str) -> MemoryObjectStore:
        return BucketThatIsGone(bucket)


def test_second_failure_of_a_reexecution_leaves_the_export_failed(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(4)
    failed_run, _ = execute(instance)

    _, success = execute(instance, failed_run)

    assert not success
    assert (world.state.status, world.state.log) == ("FAILED", "The server gave up.")


@in_spool
def test_part_whose_step_died_before_it_could_say_so_is_not_made_again(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(4)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    (known,) = [path for path in world.spool.files if path.endswith("part-00000.json")]
    part = SerializedChunk.model_validate_json(world.spool.files[known])
    folder = known.removesuffix("/part-00000.json")
    text = b'"n3","from the part"\n' * 3
    crashed = part.model_copy(
        update={
            "index": 1,
            "bytes": len(text),
            "checksum": xxhash.xxh3_128_hexdigest(text),
            "location": f"{folder}/part-00001",
        }
    )
    world.spool.files[crashed.location] = text
    world.spool.files[f"{crashed.location}.json"] = crashed.model_dump_json().encode()

    execute(instance, failed_run)

    assert world.text.count("from the part") == 3
    assert world.state.status == "COMPLETED"


def test_reexecution_of_all_steps_makes_every_part_anew(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(9)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    world.reader.count = 5
    world.reader.asked.clear()

    _, success = execute_with(instance, dg.ReexecutionOptions(parent_run_id=failed_run))

    assert success
    assert world.reader.asked.count("rows") == 2
    assert len(world.text.splitlines()) == 1 + 5


def test_reexecution_of_a_cancelled_export_leaves_it_cancelled(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(4)
    failed_run, _ = execute(instance)
    world.rows.rows["export-1"] = export_row(status="CANCELLED")

    _, success = execute(instance, failed_run)

    assert success
    assert world.state.status == "CANCELLED"
    assert not world.files.objects


@pytest.mark.parametrize(
    ("world", "later"), [("bucket", "spool"), ("spool", "bucket")], indirect=["world"]
)
def test_reexecution_after_a_change_of_where_parts_go_makes_them_anew(
    world: World, instance: dg.DagsterInstance, later: str
) -> None:
    fail_on(9)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    world.environment["LF_EXPORT_PARTS"] = later

    _, success = execute(instance, failed_run)

    assert success
    assert len(world.text.splitlines()) == 1 + 10
    assert (world.files.incomplete, world.spool.folders()) == ([], [])


@pytest.fixture
def formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other number has a name that a spreadsheet would run."""
    names = numbers_table._name_batch

    def formulas_of(numbers: list[int]) -> pa.RecordBatch:
        named = names(numbers)
        return named.set_column(1, "name", pa.array(["=1+1"] * named.num_rows, pa.string()))

    monkeypatch.setattr(numbers_table, "_name_batch", formulas_of)


@pytest.mark.usefixtures("formulas")
@pytest.mark.parametrize("is_guarded", [False, True])
def test_the_cells_of_a_file_are_all_written_as_it_was_set_when_the_export_was_taken_up(
    world: World, instance: dg.DagsterInstance, *, is_guarded: bool
) -> None:
    world.environment["LF_EXPORT_CSV_GUARD_FORMULAS"] = str(is_guarded)
    fail_on(4)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    world.environment["LF_EXPORT_CSV_GUARD_FORMULAS"] = str(not is_guarded)

    _, success = execute(instance, failed_run)

    assert success
    cells = [line.split(",")[1] for line in world.text.splitlines()[1:]]
    assert set(cells[::2]) == {'"\'=1+1"' if is_guarded else '"=1+1"'}


def test_the_mark_at_the_beginning_of_a_file_does_not_come_between_two_runs(
    world: World, instance: dg.DagsterInstance
) -> None:
    """A file that is put together at the end would have had it, and one that is sent not."""
    fail_on(4)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    world.environment["LF_EXPORT_CSV_BOM"] = "true"

    _, success = execute(instance, failed_run)

    assert success
    assert world.text.startswith('"id","name"\n"n0"')


@pytest.mark.parametrize(
    ("change", "extension"),
    [({}, "csv"), ({"LF_EXPORT_COMPRESSION": "gzip"}, "csv.gz")],
)
def test_the_key_ends_as_the_file_does_that_the_last_run_has_made(
    world: World, instance: dg.DagsterInstance, change: dict[str, str], extension: str
) -> None:
    """All steps again: the request is read anew, and the key of the run before is noted."""
    fail_on(9)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    world.environment |= change

    _, success = execute_with(instance, dg.ReexecutionOptions(parent_run_id=failed_run))

    assert success
    (key,) = world.files.objects
    assert key.partition(".")[2] == extension
    assert [name.endswith(extension) for name in world.files.file_names] == [True]
    assert (world.files.incomplete, world.spool.folders()) == ([], [])
