"""What Dagster may record of a mistake in the program, wherever it calls the program.

Ops of the export itself are in ``ops/test_run_guards.py``.
"""

import traceback
from collections.abc import Callable, Iterator
from typing import cast

import dagster as dg
import pytest
from polars.exceptions import ComputeError

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline.core.redaction import RedactedError
from lf_export_pipeline.definitions import defs
from lf_export_pipeline.defs.io_manager import SpoolIOManager
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.defs.resources import RESOURCES, resources_with
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline.lifecycle.run_records import JOB_NAME
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

SECRET = "hunter2"
TOLD = "RedactedError: ValueError; what it says is left out"
MADE_FROM_SETTINGS = ["clickhouse", "postgres", "smtp", "spool"]
REPOSITORY = defs.get_repository_def()
# standing_exports asks Dagster's own records, and no resource.
OTHER_JOBS = [
    job
    for job in REPOSITORY.get_all_jobs()
    if job.name not in {JOB_NAME, "standing_exports"} and not job.name.startswith("__")
]
STANDARD_SENSORS = [
    sensor for sensor in REPOSITORY.sensor_defs if type(sensor) is dg.SensorDefinition
]


class Broken:
    """Whatever the program asks of it: its mistake quotes a password."""

    _kind: type[Exception] = ValueError

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):  # Dagster's questions, and Python's
            raise AttributeError(name)
        message = f"Invalid header value b'{SECRET}' in {name}"
        raise self._kind(message)


def broken(*_: object) -> object:
    return Broken().anything


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(PARTITIONS_NAME, ["export-1"])
        yield made


def assert_told(call: Callable[[], object]) -> None:
    """That the error of a call, with all its causes, has its kind and not its words."""
    with pytest.raises(Exception, match=r".") as caught:
        call()
    told = "".join(traceback.format_exception(caught.value))
    assert TOLD in told
    assert SECRET not in told


@pytest.mark.parametrize("sensor", STANDARD_SENSORS, ids=lambda sensor: sensor.name)
def test_of_a_mistake_in_a_sensor(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "load", broken)
    context = dg.build_sensor_context(
        instance, resources={"export_rows": Broken(), "settings": Broken()}
    )

    assert_told(lambda: sensor.evaluate_tick(context))


@pytest.mark.parametrize("job", OTHER_JOBS, ids=lambda job: job.name)
def test_of_a_mistake_in_another_job(job: dg.JobDefinition, instance: dg.DagsterInstance) -> None:
    resources = dict.fromkeys(RESOURCES, Broken()) | {"io_manager": SpoolIOManager(MemorySpool())}

    result = job.execute_in_process(instance=instance, resources=resources, raise_on_error=False)

    recorded = "".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert not result.success
    assert TOLD in recorded
    assert SECRET not in recorded


@pytest.mark.parametrize("name", MADE_FROM_SETTINGS)
def test_of_a_mistake_when_a_resource_is_opened(name: str) -> None:
    def opened() -> object:
        settings = dg.ResourceDefinition.hardcoded_resource(Broken())
        made = resources_with(settings, None)
        with dg.build_resources({"settings": settings, name: made[name]}) as resources:
            return resources

    assert_told(opened)


def test_of_a_mistake_when_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "load", broken)

    def opened() -> object:
        with dg.build_resources({"settings": RESOURCES["settings"]}) as resources:
            return resources

    assert_told(opened)


def test_of_a_mistake_in_the_spool_of_values(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    resources = world.resources() | {"io_manager": SpoolIOManager(cast("Spool", Broken()))}

    result = batch_export_job(retries=None).execute_in_process(
        instance=instance, partition_key="export-1", resources=resources, raise_on_error=False
    )

    recorded = "".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert TOLD in recorded
    assert SECRET not in recorded


@pytest.mark.parametrize("kind", [RuntimeError, OSError, ComputeError])
def test_what_may_pass_is_told_without_its_words_too(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broken, "_kind", kind)

    with pytest.raises(RedactedError) as caught, redact_unexpected_errors():
        broken()

    told = "".join(traceback.format_exception(caught.value))
    assert f"RedactedError: {kind.__name__}; what it says is left out" in told
    assert SECRET not in told


@pytest.mark.parametrize("error", [TransientError("Postgres is away."), dg.Failure("no")])
def test_what_is_known_keeps_its_words(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, redact_unexpected_errors():
        raise error

    assert caught.value is error
