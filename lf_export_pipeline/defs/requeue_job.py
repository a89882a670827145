"""The job that queues failed exports again, as ``lf-export requeue`` does from a shell."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.defs.redacted import (
    permanent_errors_end_the_step,
    redact_unexpected_errors,
)
from lf_export_pipeline.lifecycle.requeue import (
    HEADINGS,
    QUEUED,
    RequeueConfig,
    Requeued,
    requeue_failed,
    summary_of,
)
from lf_export_pipeline.settings import Settings

JOB_NAME = "requeue_failed_exports"
SHOWN_MAX_ROWS = 200


def report_of(requeued: Sequence[Requeued]) -> dict[str, dg.MetadataValue]:
    """What the run's page shows."""
    table = markdown_table(HEADINGS, (one.cells for one in requeued[:SHOWN_MAX_ROWS]))
    return {
        "exports": dg.MetadataValue.int(len(requeued)),
        "queued_again": dg.MetadataValue.int(sum(one.outcome == QUEUED for one in requeued)),
        "report": dg.MetadataValue.md(table),
    }


@dg.op
@redact_unexpected_errors()
def requeue_exports(
    context: dg.OpExecutionContext,
    config: RequeueConfig,
    *,
    export_rows: dg.ResourceParam[BatchExportRepository],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Requeues the matching failed exports; the sensor then starts their runs."""
    with permanent_errors_end_the_step():
        requeued = requeue_failed(
            export_rows, config, datetime.now(UTC), settings.limits, settings.file_defaults
        )
    context.log.info(summary_of(requeued))
    context.add_output_metadata(report_of(requeued))


@dg.job(
    name=JOB_NAME,
    executor_def=dg.in_process_executor,
    config=dg.RunConfig(ops={"requeue_exports": RequeueConfig()}),
    description="Requeues failed exports, but for those whose request is invalid: they would fail "
    "again. With dry_run, the default, it only reports which. Open the Launchpad, where all "
    "conditions are written already.",
)
def requeue_failed_exports() -> None:
    """One op: finds, reports, queues."""
    requeue_exports()
