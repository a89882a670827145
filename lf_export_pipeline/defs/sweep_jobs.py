"""The sweeps as jobs, to be tried by hand, and their schedules."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from lf_export_pipeline.core.ports import ExportRows, FileStore, Spool
from lf_export_pipeline.defs.redacted import unforeseen_without_words
from lf_export_pipeline.defs.sweep_reports import TAGS, SweepConfig, report_of, summary_of
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.sweeps.expired_files import delete_expired_files
from lf_export_pipeline.sweeps.findings import Finding
from lf_export_pipeline.sweeps.incomplete_uploads import abort_uploads
from lf_export_pipeline.sweeps.old_partitions import prune_partitions
from lf_export_pipeline.sweeps.spool_folders import sweep_spool


@dg.op
@unforeseen_without_words()
def sweep_spool_folders(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    *,
    export_rows: dg.ResourceParam[ExportRows],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[FileStore],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Deletes spool files of ended and abandoned attempts, and objects they never published."""
    kept_for, dry_run = settings.spool_kept_for, config.dry_run
    found = sweep_spool(context.instance, export_rows, spool, files, kept_for, dry_run=dry_run)
    _tell(context, found, config)


@dg.op
@unforeseen_without_words()
def abort_incomplete_uploads(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    *,
    files: dg.ResourceParam[FileStore],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Aborts multipart uploads of exports that started more than a day ago."""
    prefix = settings.langfuse_s3_batch_export_prefix
    _tell(context, abort_uploads(files, prefix, dry_run=config.dry_run), config)


@dg.op
@unforeseen_without_words()
def prune_old_partitions(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    *,
    export_rows: dg.ResourceParam[ExportRows],
) -> None:
    """Deletes partitions of exports that were last used more than 30 days ago."""
    found = prune_partitions(context.instance, export_rows, dry_run=config.dry_run)
    _tell(context, found, config)


@dg.op
@unforeseen_without_words()
def delete_files_of_expired_links(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    *,
    export_rows: dg.ResourceParam[ExportRows],
    files: dg.ResourceParam[FileStore],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Deletes files whose link has expired; unless the setting allows it, only lists them."""
    is_allowed = settings.lf_export_delete_expired_files
    if not (is_allowed or config.dry_run):
        context.log.info("Nothing is deleted: LF_EXPORT_DELETE_EXPIRED_FILES is not true")
    config = SweepConfig(dry_run=config.dry_run or not is_allowed)
    found = delete_expired_files(export_rows, files, settings, dry_run=config.dry_run)
    _tell(context, found, config)


def _tell(context: dg.OpExecutionContext, found: Sequence[Finding], config: SweepConfig) -> None:
    """Puts down what was done; a run fails in the end if something could not be removed."""
    said = summary_of(found, dry_run=config.dry_run)
    report = report_of(found, dry_run=config.dry_run)
    if any(finding.failure for finding in found):
        raise dg.Failure(description=said, metadata=report, allow_retries=False)
    context.log.info(said)
    context.add_output_metadata(report)


def _job(name: str, op: dg.OpDefinition) -> dg.JobDefinition:
    options: dict[str, Any] = {"executor_def": dg.in_process_executor, "tags": TAGS}
    return dg.GraphDefinition(name=name, node_defs=[op]).to_job(
        name=name, description=op.description, **options
    )


def _schedule(job: dg.JobDefinition, cron: str) -> dg.ScheduleDefinition:
    (op,) = job.nodes
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        run_config={"ops": {op.name: {"config": {"dry_run": False}}}},
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=job.description,
    )


SWEEPS = (
    _job("sweep_spool", sweep_spool_folders),
    _job("abort_uploads", abort_incomplete_uploads),
    _job("prune_partitions", prune_old_partitions),
    _job("delete_expired_files", delete_files_of_expired_links),
)
"""One job per sweep; started by hand, each only says what it would do."""

_CRON = ("17 * * * *", "37 3 * * *", "47 3 * * *", "57 3 * * *")

SWEEP_SCHEDULES = tuple(map(_schedule, SWEEPS, _CRON))
"""When the sweeps run in earnest; they are on unless someone switches them off."""
