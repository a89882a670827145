"""Re-execution from the failed step, as the UI and Dagster's run retries do it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
import xxhash

from lf_export_pipeline.core.errors import PermanentError, TransientError
from lf_export_pipeline.core.query import PartFile
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.emails import runs_without_email
from lf_export_pipeline.housekeeping.late_emails import send_late_emails
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.ops import fail_export
from lf_export_pipeline.runs.partitions import PARTITIONS_NAME
from lf_export_pipeline.runs.spool_io import SpoolIOManager
from lf_export_pipeline.sensors import runs_that_failed
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import FakeExportRows
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT, World

WORLDS: list[World] = []
"""Dagster builds the job itself, once for all tests; this is how it finds the world of each."""


PORTS = (
    "settings",
    "reader",
    "plan_tables",
    "uploads_ahead",
    "export_rows",
    "files",
    "mailer",
    "spool",
    "io_manager",
)


def job_in_the_world() -> dg.JobDefinition:
    job = batch_export_job(retries=None)
    return job.with_top_level_resources({name: _current(name) for name in PORTS})


def _current(name: str) -> dg.ResourceDefinition:
    if name == "io_manager":
        return dg.IOManagerDefinition(lambda _: SpoolIOManager(WORLDS[-1].spool))
    return dg.ResourceDefinition(lambda _: WORLDS[-1].resources()[name])


@pytest.fixture
def world() -> Iterator[World]:
    made = World(export_row(), environment={"LF_EXPORT_CHUNK_TARGET_MIB": "1"})
    made.reader.row_bytes = 340_000.0
    WORLDS.append(made)
    yield made
    WORLDS.remove(made)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    quiet = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=quiet) as local:
        local.add_dynamic_partitions(PARTITIONS_NAME, ["export-1"])
        yield local


def execute(instance: dg.DagsterInstance, failed_run: str | None = None) -> tuple[str, bool]:
    options = dg.ReexecutionOptions.from_failure(failed_run, instance) if failed_run else None
    return execute_with(instance, options)


def execute_with(
    instance: dg.DagsterInstance, options: dg.ReexecutionOptions | None
) -> tuple[str, bool]:
    tags = {"dagster/partition": "export-1"}
    with dg.execute_job(
        dg.reconstructable(job_in_the_world),
        instance=instance,
        reexecution_options=options,
        tags=tags,
        raise_on_error=False,
    ) as result:
        return result.run_id, result.success


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


def test_second_failure_of_a_reexecution_leaves_the_export_failed(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(4)
    failed_run, _ = execute(instance)

    _, success = execute(instance, failed_run)

    assert not success
    assert (world.state.status, world.state.log) == ("FAILED", "The server gave up.")


def test_part_whose_step_died_before_it_could_say_so_is_not_made_again(
    world: World, instance: dg.DagsterInstance
) -> None:
    fail_on(4)
    failed_run, _ = execute(instance)
    world.reader.before_rows = lambda _numbers: None
    (known,) = [path for path in world.spool.files if path.endswith("part-00000.json")]
    part = PartFile.model_validate_json(world.spool.files[known])
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


class GoesAwayWithTheLastAnswer(FakeExportRows):
    """A database that does the last update, and is away when somebody asks whether it has."""

    is_away = False

    def complete(self, *args: object) -> bool:
        super().complete(*args)  # type: ignore[arg-type]
        self.is_away = True
        raise TransientError("Postgres does not answer.")

    def get(self, export_id: str) -> ExportRow | None:
        self._must_be_there()
        return super().get(export_id)

    def fail(self, *args: object) -> bool:
        self._must_be_there()
        return super().fail(*args)  # type: ignore[arg-type]

    def _must_be_there(self) -> None:
        if self.is_away:
            raise TransientError("Postgres is away.")


def tell_the_sensor(world: World, instance: dg.DagsterInstance, run_id: str) -> None:
    """Dagster does so once, whatever comes of it."""
    kind = dg.DagsterEventType.RUN_FAILURE
    (record,) = instance.get_records_for_run(run_id, of_type=kind).records
    run, event = instance.get_run_by_id(run_id), record.event_log_entry.dagster_event
    assert run
    assert event
    context = dg.build_run_status_sensor_context(
        sensor_name="runs_that_failed",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=run,
        resources={"export_rows": world.rows, "spool": world.spool, "files": world.files},
    )
    runs_that_failed(batch_export_job())(context.for_run_failure())


def send_late(world: World, instance: dg.DagsterInstance, _run_id: str) -> None:
    send_late_emails(instance, world.mailer, world.rows, Settings.load(ENVIRONMENT))


def execute_again(_world: World, instance: dg.DagsterInstance, run_id: str) -> None:
    assert execute(instance, run_id)[1]


@pytest.fixture
def owing(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> tuple[GoesAwayWithTheLastAnswer, str]:
    """The rows, and a run that has failed after it had published its file."""
    monkeypatch.setattr(fail_export, "PATIENCE_ATTEMPTS", 1)
    world.rows = rows = GoesAwayWithTheLastAnswer(world.row)
    run_id, success = execute(instance)
    assert not success
    assert (world.state.status, world.mailer.sent) == ("COMPLETED", [])
    return rows, run_id


@pytest.mark.parametrize("is_back", [False, True], ids=["still away", "back"])
@pytest.mark.parametrize("senders", [(send_late, execute_again), (execute_again, send_late)])
def test_email_that_a_failed_run_owes_is_sent_once(
    senders: tuple[Callable[[World, dg.DagsterInstance, str], None], ...],
    is_back: bool,
    owing: tuple[GoesAwayWithTheLastAnswer, str],
    world: World,
    instance: dg.DagsterInstance,
) -> None:
    rows, run_id = owing
    rows.is_away = not is_back
    with suppress(TransientError):
        tell_the_sensor(world, instance, run_id)
    rows.is_away = False
    assert len(runs_without_email(instance, limit=9)) == 1

    for send in senders:
        send(world, instance, run_id)

    assert len(world.mailer.sent) == 1
    assert not runs_without_email(instance, limit=9)


def test_run_that_failed_before_it_had_published_anything_owes_no_email(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.files.failures = [PermanentError("The bucket refuses it.")]
    run_id, _ = execute(instance)

    tell_the_sensor(world, instance, run_id)

    assert not runs_without_email(instance, limit=9)
