"""Runs that are executed again, as the UI and Dagster's run retries do it, on ports in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from lf_export_pipeline.defs.io_manager import SpoolIOManager
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import attempts_resource
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

WORLDS: list[World] = []
"""Dagster builds the job itself, once for all tests; this is how it finds the world of each."""


RESOURCES = (
    "settings",
    "reader",
    "run_cache",
    "export_rows",
    "files",
    "mailer",
    "spool",
    "io_manager",
)


def job_in_the_world() -> dg.JobDefinition:
    job = batch_export_job(retries=None)
    ports = {name: _current(name) for name in RESOURCES}
    return job.with_top_level_resources(ports | {"attempts": attempts_resource})


def _current(name: str) -> dg.ResourceDefinition:
    if name == "io_manager":
        return dg.IOManagerDefinition(lambda _: SpoolIOManager(WORLDS[-1].spool))
    return dg.ResourceDefinition(lambda _: WORLDS[-1].resources()[name])


@contextmanager
def resumable_world(parts: str = "bucket") -> Iterator[World]:
    """The world that the job finds meanwhile: ten rows in four chunks, which go there."""
    environment = {"LF_EXPORT_CHUNK_TARGET_MIB": "1", "LF_EXPORT_PARTS": parts}
    made = World(export_row(), environment=environment)
    made.reader.row_bytes = 340_000.0
    WORLDS.append(made)
    yield made
    WORLDS.remove(made)


@contextmanager
def instance_in(folder: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's records on a disk, since the job is built from its name."""
    quiet = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(folder), overrides=quiet) as local:
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
