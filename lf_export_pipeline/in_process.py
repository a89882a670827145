"""One export in this process, without a daemon: for the command line and for tests."""

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import dagster as dg

from lf_export_pipeline.core.errors import GENERIC_SENTENCE, ExportError
from lf_export_pipeline.core.ports import ExportRows
from lf_export_pipeline.ops.fail_export import set_failed
from lf_export_pipeline.partitions import PARTITIONS_NAME
from lf_export_pipeline.runs import newest_runs


def run_export(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    export_id: str,
    resources: Mapping[str, object],
    *,
    force: bool = False,
    project_id: str | None = None,
    log_level: str = "CRITICAL",
) -> dg.ExecuteInProcessResult:
    """The result of a run of the whole job; failures are in it, they are not raised.

    No sensor watches over a run like this one: if it ends without success and without a word (an
    error outside of every op, a hook that could not reach the database, records of Dagster's that
    cannot be written, Ctrl-C), its row is set here.

    Args:
        job: As ``job.batch_export_job`` makes it; it can be used again and again.
        instance: Where the run is recorded; an ephemeral one forgets it.
        export_id: Whose row is read.
        resources: By the names of ``wiring.PORTS``.
        force: Make a COMPLETED export once more.
        project_id: Run only if the export is of this project.
        log_level: From which level on Dagster writes to the console; every event is recorded.
    """
    instance.add_dynamic_partitions(PARTITIONS_NAME, [export_id])
    asked = {"force": force} | ({"project_id": project_id} if project_id else {})
    try:
        result = job.execute_in_process(
            run_config={
                "ops": {"validate_export": {"config": asked}},
                "loggers": {"console": {"config": {"log_level": log_level}}},
            },
            instance=instance,
            partition_key=export_id,
            resources=dict(resources),
            raise_on_error=False,
        )
    except BaseException:
        _set_row_in_work(instance, export_id, resources)
        raise
    rows = resources.get("export_rows")
    if not result.success and not isinstance(rows, dg.ResourceDefinition):
        _set_row(instance, result.run_id, cast("ExportRows", rows))
    return result


def _set_row_in_work(
    instance: dg.DagsterInstance, export_id: str, resources: Mapping[str, object]
) -> None:
    """Sets the row of a run that Dagster itself could not bring to its end."""
    rows, run = resources.get("export_rows"), newest_runs(instance, [export_id]).get(export_id)
    if run is None or isinstance(rows, dg.ResourceDefinition):
        return
    with suppress(ExportError):
        row = cast("ExportRows", rows).get(export_id)
        if row is not None and row.status == "PROCESSING":
            _set_row(instance, run.run_id, cast("ExportRows", rows))


def _set_row(instance: dg.DagsterInstance, run_id: str, export_rows: ExportRows) -> None:
    run = instance.get_run_by_id(run_id)
    with suppress(ExportError):  # the database is away for good; the daemon's sensors come later
        if run is not None:
            set_failed(instance, run, export_rows, GENERIC_SENTENCE)
