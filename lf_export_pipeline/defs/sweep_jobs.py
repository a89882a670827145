"""The sweeps as jobs, to be tried by hand, and their schedules."""

from collections.abc import Sequence

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, Spool
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.defs.sweep_reports import TAGS, SweepConfig, report_of, summary_of
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.sweeps.old_partitions import prune_partitions
from lf_export_pipeline.sweeps.spool_folders import sweep_spool
from lf_export_pipeline.sweeps.sweep_item import SweepItem


@dg.op
@redact_unexpected_errors()
def sweep_spool_folders(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    *,
    export_rows: dg.ResourceParam[BatchExportRepository],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[ObjectStore],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Deletes spool files of ended and abandoned attempts, and objects they never published."""
    kept_for, dry_run = settings.spool_kept_for, config.dry_run
    found = sweep_spool(context.instance, export_rows, spool, files, kept_for, dry_run=dry_run)
    _tell(context, found, config)


@dg.op
@redact_unexpected_errors()
def prune_old_partitions(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    *,
    export_rows: dg.ResourceParam[BatchExportRepository],
) -> None:
    """Deletes partitions of exports that were last used more than 30 days ago."""
    found = prune_partitions(context.instance, export_rows, dry_run=config.dry_run)
    _tell(context, found, config)


def _tell(context: dg.OpExecutionContext, found: Sequence[SweepItem], config: SweepConfig) -> None:
    """Puts down what was done; a run fails in the end if something could not be removed."""
    said = summary_of(found, dry_run=config.dry_run)
    report = report_of(found, dry_run=config.dry_run)
    if any(item.failure for item in found):
        raise dg.Failure(description=said, metadata=report, allow_retries=False)
    context.log.info(said)
    context.add_output_metadata(report)


@dg.job(
    name="sweep",
    executor_def=dg.in_process_executor,
    tags=TAGS,
    description="Deletes spool files that nobody needs, and partitions that are long past. With "
    "dry_run, the default, it only reports which.",
)
def sweep() -> None:
    """Two ops beside each other: neither waits for the other."""
    sweep_spool_folders()
    prune_old_partitions()


_IN_EARNEST = {"config": {"dry_run": False}}


@dg.schedule(
    name="sweep_schedule",
    job=sweep,
    cron_schedule="17 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Sweeps every hour, in earnest.",
)
def sweep_schedule() -> dg.RunRequest:
    """Unlike a run that somebody starts by hand, it deletes."""
    ops = {"sweep_spool_folders": _IN_EARNEST, "prune_old_partitions": _IN_EARNEST}
    return dg.RunRequest(run_config={"ops": ops})
