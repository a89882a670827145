"""May this export run? Then it is PROCESSING from here on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.errors import ConfigurationError, ExportCancelledError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.admission import is_stale
from lf_export_pipeline.core.request.model import ExportFormat, ExportRequest, ExportRow
from lf_export_pipeline.core.request.ownership import Claim, owner_of
from lf_export_pipeline.defs.ops.attempts import Attempt, Attempts
from lf_export_pipeline.defs.run_summary import requested
from lf_export_pipeline.file.cleanup import note_superseded
from lf_export_pipeline.lifecycle.notices import owe_failure
from lf_export_pipeline.lifecycle.retries import is_alive
from lf_export_pipeline.lifecycle.run_records import (
    Failure,
    record_failure,
    root_run_id,
    runs_by_export,
)

STALE_MESSAGE = (
    "We have improved the batch export feature. Please retry your export to benefit from the "
    "latest enhancements."
)
DISABLED_MESSAGE = (
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

    force: bool = Field(default=False, description="Run a COMPLETED export again.")
    project_id: str | None = Field(
        default=None, description="Run only if the export belongs to this project."
    )
    format: ExportFormat | None = Field(
        default=None,
        description="Write the file of this run in another format than the user chose: "
        f"{', '.join(ExportFormat)}.",
    )


def admission(
    row: ExportRow | None, config: ValidateConfig, now: datetime, *, is_taken: bool = False
) -> Admission:
    """Whether the export runs; ``is_taken`` says whether somebody else is at work on it.

    Langfuse: a row of another project counts as missing, CANCELLED comes before the 30 days, and
    any other status is processed. Ours: COMPLETED only by force, so that no second e-mail is sent,
    and PROCESSING only if nobody else works on it; by force also if that one has left no mark, as
    Langfuse's own worker leaves none: it may have died.
    """
    if row is None or config.project_id not in (None, row.project_id):
        return Admission(Action.SKIP, "there is no such export")
    if row.status == "CANCELLED":
        return Admission(Action.SKIP, "it was cancelled")
    if is_taken and (owner_of(row) is not None or not config.force):
        return Admission(Action.SKIP, f"it is {row.status}, and another run is working on it")
    if is_stale(row.created_at, now):
        return Admission(Action.REFUSE, STALE_MESSAGE)
    if row.status == "COMPLETED" and not config.force:
        return Admission(Action.SKIP, "it is already COMPLETED")
    return Admission(Action.RUN, f"it is {row.status}")


@dg.op(out=dg.Out(ExportRequest, is_required=False))
def validate_export(
    context: dg.OpExecutionContext,
    config: ValidateConfig,
    *,
    attempts: dg.ResourceParam[Attempts],
) -> Iterator[dg.Output[ExportRequest]]:
    """Checks the row and sets it PROCESSING. Without an output, all later ops are skipped."""
    with attempts.running(context, keeps_files=True) as attempt:
        settings = attempt.settings
        if not settings.langfuse_s3_batch_export_enabled:
            raise ConfigurationError(DISABLED_MESSAGE)
        row, now = attempt.row(), datetime.now(UTC)
        is_taken = row is not None and is_anothers_work(
            context.instance, row, attempt.owner, lost_since=now - settings.lost_after
        )
        decision = admission(row, config, now, is_taken=is_taken)
        if row is None or decision.action is not Action.RUN:
            _turn_away(attempt, row, decision)
            return
        prefix = settings.langfuse_s3_batch_export_prefix
        note_superseded(row, attempt.spool, attempt.files, prefix)
        if _start(attempt, row):
            request = _accepted(attempt, row, config.format)
            yield dg.Output(request, metadata=requested(request, settings.nextauth_url))
        else:
            context.log.warning("Skipping export %s: another run started it first", row.id)


def is_anothers_work(
    instance: dg.DagsterInstance, row: ExportRow, owner: str, lost_since: datetime
) -> bool:
    """Whether somebody else than this chain of runs has taken an export and may be at work on it.

    Of a run that Dagster knows it is known whether it lives. Langfuse's own worker, another Dagster
    or a shell is believed to live until its row has not been touched for long.
    """
    if row.status != "PROCESSING" or owner_of(row) == owner:
        return False
    records = runs_by_export(instance, [row.id]).get(row.id, [])
    runs = [one.dagster_run for one in records if root_run_id(one.dagster_run) == owner_of(row)]
    return any(map(is_alive, runs)) if runs else row.updated_at > lost_since


def queued_at(row: ExportRow) -> datetime | None:
    """Since when a row waits: every change of state touches ``updated_at``, and queueing is one.

    A row that is not QUEUED waits for nobody; its run was asked for by a person or a retry.
    """
    return row.updated_at if row.status == "QUEUED" else None


def _turn_away(attempt: Attempt, row: ExportRow | None, decision: Admission) -> None:
    context = attempt.context
    if row is not None and decision.action is Action.REFUSE:
        as_seen = Claim(unchanged_since=row.updated_at)
        record_failure(context.instance, context.run_id, Failure.REQUEST)
        owe_failure(context.instance, context.run_id)
        attempt.export_rows.fail(row.id, decision.reason, datetime.now(UTC), as_seen)
    context.log.warning("Skipping export %s: %s", context.partition_key, decision.reason)


def _start(attempt: Attempt, row: ExportRow) -> bool:
    """COMPLETED → QUEUED → PROCESSING where that was asked for; any other state starts as it is."""
    if row.status == "COMPLETED":
        attempt.export_rows.requeue(row.id)
    return attempt.export_rows.start(row.id, attempt.owner, row.updated_at)


def _accepted(attempt: Attempt, row: ExportRow, file_format: ExportFormat | None) -> ExportRequest:
    stored, settings = attempt.export_rows.stored(row.id), attempt.settings
    if stored is None:
        raise ExportCancelledError("The export is gone; this run leaves it alone.")
    if file_format is not None:
        stored = replace(stored, format=file_format)
    request = parse_request(stored, settings.limits, settings.file_defaults)
    request = request.model_copy(update={"queued_at": queued_at(row)})
    table, filters = request.query.table, len(request.query.filter)
    line = f"{table} as {request.format_text}, {filters} filters; it was {row.status}"
    attempt.context.log.info("Export %s is PROCESSING: %s", row.id, line)
    return request
