"""May this export run? Then it is PROCESSING from here on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.bounds import ExportLimits
from lf_export_pipeline.core.errors import ConfigurationError, ExportCancelledError
from lf_export_pipeline.core.ports import ExportRows, Spool
from lf_export_pipeline.core.request import ExportRequest, ExportRow, parse_request
from lf_export_pipeline.ops.boundary import export_errors
from lf_export_pipeline.runs.history import Failure, record_failure
from lf_export_pipeline.runs.leftovers import note_superseded
from lf_export_pipeline.settings import Settings

STALE_AFTER = timedelta(days=30)
STALE_SENTENCE = (
    "We have improved the batch export feature. Please retry your export to benefit from the "
    "latest enhancements."
)
DISABLED_SENTENCE = (
    "Batch export is not enabled on this installation: an operator must set "
    "LANGFUSE_S3_BATCH_EXPORT_ENABLED to true."
)


class Action(Enum):
    """What is to be done with an export that was asked for."""

    RUN = "run"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision, with its reason: a line for the log, or the user's sentence of a refusal."""

    action: Action
    reason: str


class ValidateConfig(dg.Config):
    """How a person asks for a run that the sensor would not make."""

    force: bool = Field(default=False, description="Make a COMPLETED export once more.")
    project_id: str | None = Field(
        default=None, description="Run only if the export belongs to this project."
    )


def admission(row: ExportRow | None, config: ValidateConfig, now: datetime) -> Admission:
    """Whether the export runs.

    Langfuse: a row of another project counts as missing, CANCELLED comes before the 30 days, and
    any other status is processed. Ours: COMPLETED only by force, so that no second e-mail is sent.
    """
    if row is None or config.project_id not in (None, row.project_id):
        return Admission(Action.SKIP, "there is no such export")
    if row.status == "CANCELLED":
        return Admission(Action.SKIP, "it was cancelled")
    if row.created_at < now - STALE_AFTER:
        return Admission(Action.REFUSE, STALE_SENTENCE)
    if row.status == "COMPLETED" and not config.force:
        return Admission(Action.SKIP, "it is COMPLETED already")
    return Admission(Action.RUN, f"it is {row.status}")


@dg.op(out=dg.Out(ExportRequest, is_required=False))
def validate_export(
    context: dg.OpExecutionContext,
    config: ValidateConfig,
    *,
    settings: dg.ResourceParam[Settings],
    spool: dg.ResourceParam[Spool],
    export_rows: dg.ResourceParam[ExportRows],
) -> Iterator[dg.Output[ExportRequest]]:
    """Checks the row and sets it PROCESSING; no output, and every later op is skipped."""
    with export_errors(context, export_rows):
        if not settings.langfuse_s3_batch_export_enabled:
            raise ConfigurationError(DISABLED_SENTENCE)
        row = export_rows.get(context.partition_key)
        decision = admission(row, config, datetime.now(UTC))
        if row is None or decision.action is not Action.RUN:
            _turn_away(context, export_rows, decision)
            return
        note_superseded(row, spool, settings)
        if _start(export_rows, row):
            yield dg.Output(_accepted(context, row, export_rows, settings.limits))


def queued_at(row: ExportRow) -> datetime | None:
    """Since when a row waits: every change of state touches ``updated_at``, and queueing is one.

    A row that is not QUEUED waits for nobody; its run was asked for by a person or a retry.
    """
    return row.updated_at if row.status == "QUEUED" else None


def _turn_away(
    context: dg.OpExecutionContext, export_rows: ExportRows, decision: Admission
) -> None:
    if decision.action is Action.REFUSE:
        export_rows.fail(context.partition_key, decision.reason, datetime.now(UTC))
        record_failure(context.instance, context.run_id, Failure.REQUEST)
    context.log.warning("Export %s does not run: %s", context.partition_key, decision.reason)


def _start(export_rows: ExportRows, row: ExportRow) -> bool:
    """COMPLETED → QUEUED → PROCESSING where that was asked for; any other state starts as it is."""
    if row.status == "COMPLETED":
        export_rows.requeue(row.id)
    return export_rows.start(row.id)


def _accepted(
    context: dg.OpExecutionContext, row: ExportRow, export_rows: ExportRows, limits: ExportLimits
) -> ExportRequest:
    stored = export_rows.stored(row.id)
    if stored is None:
        raise ExportCancelledError("The export is gone; this run leaves it alone.")
    request = parse_request(stored, limits).model_copy(update={"queued_at": queued_at(row)})
    table, filters = request.query.table, len(request.query.filter)
    line = f"{table} as {request.format}, {filters} filters; it was {row.status}"
    context.log.info("Export %s is PROCESSING: %s", row.id, line)
    return request
