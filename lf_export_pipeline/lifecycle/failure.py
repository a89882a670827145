"""What it means for an export that a run of it has failed: its row, its sentence, whose fault."""

from datetime import UTC, datetime

import dagster as dg
import tenacity

from lf_export_pipeline.core.errors import (
    GENERIC_USER_MESSAGE,
    ExportError,
    InvalidFilterError,
    InvalidQueryError,
    TransientError,
)
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.lifecycle.run_records import (
    Failure,
    claim_of,
    export_id_of,
    has_live_sibling,
)

PATIENCE_ATTEMPTS = 7  # about 12 s in all


def set_failed(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    export_rows: BatchExportRepository,
    user_message: str,
) -> bool:
    """Whether the row of a run that has failed is FAILED by this call.

    What has made a step fail is often what keeps its row from being set too: hence the patience.

    Raises:
        TransientError: The database has not come back; the sensors find the row later.
    """
    export_id = export_id_of(run)
    if export_id is None or has_live_sibling(instance, run):
        return False
    patiently = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_attempt(PATIENCE_ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5) + tenacity.wait_random(0, 0.2),
        reraise=True,
    )
    now, claim = datetime.now(UTC), claim_of(run)
    return bool(patiently(export_rows.fail, export_id, user_message, now, claim))


def user_message_of(error: BaseException | None) -> str:
    """What the user reads; the nearest error that was raised on purpose has the word."""
    raised = _raised_on_purpose(error)
    return raised.user_message if raised else GENERIC_USER_MESSAGE


def failure_of(error: BaseException | None) -> Failure:
    """Whose failure it is: only what was asked for can be the user's."""
    asked_in_vain = isinstance(_raised_on_purpose(error), (InvalidQueryError, InvalidFilterError))
    return Failure.REQUEST if asked_in_vain else Failure.OPERATION


def _raised_on_purpose(error: BaseException | None) -> ExportError | None:
    while error is not None and not isinstance(error, ExportError):
        error = error.__cause__
    return error
