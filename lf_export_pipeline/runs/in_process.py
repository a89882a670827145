"""One export in this process, without a daemon: for the command line and for tests."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

import dagster as dg

from lf_export_pipeline.core.errors import GENERIC_SENTENCE, ExportError
from lf_export_pipeline.core.ports import ExportRows
from lf_export_pipeline.ops.fail_export import set_failed
from lf_export_pipeline.runs.history import newest_runs
from lf_export_pipeline.runs.partitions import PARTITIONS_NAME


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
    began = datetime.now(UTC)
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
        if (rows := _rows_of(resources)) is not None:
            _set_row_in_work(instance, export_id, rows, began)
        raise
    if not result.success and (rows := _rows_of(resources)) is not None:
        _set_row(instance, result.run_id, rows, export_id, began)
    return result


def _rows_of(resources: Mapping[str, object]) -> ExportRows | None:
    rows = resources.get("export_rows")
    return None if isinstance(rows, dg.ResourceDefinition) else cast("ExportRows", rows)


def _set_row_in_work(
    instance: dg.DagsterInstance, export_id: str, export_rows: ExportRows, began: datetime
) -> None:
    """Sets the row of a run that Dagster itself could not bring to its end."""
    with suppress(ExportError):
        row = export_rows.get(export_id)
        if row is not None and row.status == "PROCESSING":
            _set_row(instance, None, export_rows, export_id, began)


def _set_row(
    instance: dg.DagsterInstance,
    run_id: str | None,
    export_rows: ExportRows,
    export_id: str,
    began: datetime,
) -> None:
    """Sets it by what Dagster knows of the run, or without that if its records are not there."""
    with suppress(ExportError):  # the database is away for good; the daemon's sensors come later
        try:
            run_id = run_id or newest_runs(instance, [export_id])[export_id].run_id
            if (run := instance.get_run_by_id(run_id)) is not None:
                set_failed(instance, run, export_rows, GENERIC_SENTENCE)
        except Exception:  # noqa: BLE001 - each of Dagster's storages has its own
            export_rows.fail(export_id, GENERIC_SENTENCE, datetime.now(UTC), began)
