"""One export in this process, without a daemon: for the command line and for tests."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import dagster as dg

from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE, ExportError
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.ownership import Claim, owner_of
from lf_export_pipeline.lifecycle.failure import set_failed
from lf_export_pipeline.lifecycle.notices import owe_failure
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline.lifecycle.tags import queueing_tag


def run_export(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    export_id: str,
    resources: Mapping[str, object],
    *,
    log_level: str = "CRITICAL",
    **config: Any,
) -> dg.ExecuteInProcessResult:
    """The result of a run of the whole job; failures are in it, they are not raised.

    No sensor watches over a run like this one: if it ends without success and without a word (an
    error outside of every op, a hook that could not reach the database, records of Dagster's that
    cannot be written, Ctrl-C), its row is set here.

    Args:
        job: As ``defs.job.batch_export_job`` makes it; it can be used again and again.
        instance: Where the run is recorded; an ephemeral one forgets it.
        export_id: Whose row is read.
        resources: By the names of ``resources.RESOURCES``.
        log_level: From which level on Dagster writes to the console; every event is recorded.
        config: Of the op ``validate_export``, such as ``force=True``.
    """
    run_id, rows = str(uuid4()), _rows_of(resources)
    instance.add_dynamic_partitions(PARTITIONS_NAME, [export_id])
    try:
        result = job.execute_in_process(
            run_config={
                "ops": {"validate_export": {"config": config}},
                "loggers": {"console": {"config": {"log_level": log_level}}},
            },
            instance=instance,
            partition_key=export_id,
            run_id=run_id,
            tags=_tags(rows, export_id),
            resources=dict(resources),
            raise_on_error=False,
        )
    except BaseException:
        if rows is not None:
            _set_row_in_work(instance, run_id, rows, export_id)
        raise
    if not result.success and rows is not None:
        _set_row(instance, run_id, rows, export_id)
    return result


def _rows_of(resources: Mapping[str, object]) -> BatchExportRepository | None:
    rows = resources.get("export_rows")
    return None if isinstance(rows, dg.ResourceDefinition) else cast("BatchExportRepository", rows)


def _tags(export_rows: BatchExportRepository | None, export_id: str) -> dict[str, str]:
    """Which queueing of the export the run is about, if the row can be read."""
    with suppress(ExportError):
        row = export_rows.get(export_id) if export_rows else None
        return queueing_tag(row) if row else {}
    return {}


def _set_row_in_work(
    instance: dg.DagsterInstance, run_id: str, export_rows: BatchExportRepository, export_id: str
) -> None:
    """Sets the row of a run that Dagster itself could not bring to its end."""
    with suppress(ExportError):
        row = export_rows.get(export_id)
        if row is not None and owner_of(row) == run_id:
            _set_row(instance, run_id, export_rows, export_id)


def _set_row(
    instance: dg.DagsterInstance, run_id: str, export_rows: BatchExportRepository, export_id: str
) -> None:
    """Sets it by what Dagster knows of the run, or without that if its records are not there."""
    with suppress(ExportError):  # the database is away for good; the daemon's sensors come later
        try:
            if (run := instance.get_run_by_id(run_id)) is not None:
                owe_failure(instance, run_id)
                set_failed(instance, run, export_rows, GENERIC_USER_MESSAGE)
        except Exception:  # noqa: BLE001 - each of Dagster's storages has its own
            own = Claim(owner=run_id)
            export_rows.fail(export_id, GENERIC_USER_MESSAGE, datetime.now(UTC), own)
