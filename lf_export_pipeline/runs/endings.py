"""What becomes of an export when a run of it has ended and its row does not say so.

Dagster tells the sensors of ended runs of each run once. If the database is away just then, they
cannot set the row, and are never told again. So whoever reads the rows that wait answers late.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import dagster as dg

from lf_export_pipeline.core.errors import GENERIC_SENTENCE
from lf_export_pipeline.core.ownership import Claim
from lf_export_pipeline.core.ports import ExportRows
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.runs.history import claim_of, unanswered_queueing
from lf_export_pipeline.runs.recovery import SETTLING, last_run_of

LAUNCHES_MAX = 15  # five rounds, each of which Dagster's run retries repeat twice


class Fate(StrEnum):
    """What has become of an export, as a log says it."""

    FAILED = "set FAILED: its run ended without updating the row"
    WAITS = "requeued: its run could not start"
    CANCELLED = "set CANCELLED: its run was terminated"


def set_after_failure(
    export_rows: ExportRows,
    export_id: str,
    claim: Claim,
    newest_first: Sequence[dg.RunRecord],
) -> Fate | None:
    """Set the row of a run that has failed; None: it is not this run's to set.

    Args:
        export_rows: Where the row is.
        export_id: Whose.
        claim: What the run may end; what was queued again since is another attempt's.
        newest_first: All runs of the export.

    Raises:
        TransientError: The database is away.
    """
    if not export_rows.fail(export_id, GENERIC_SENTENCE, datetime.now(UTC), claim):
        return None
    if not may_be_launched_again(newest_first):
        return Fate.FAILED
    export_rows.requeue(export_id, only="FAILED")
    return Fate.WAITS


def set_after_termination(export_rows: ExportRows, export_id: str, claim: Claim) -> Fate | None:
    """Set the row of a run that was terminated; as ``set_after_failure``."""
    return Fate.CANCELLED if export_rows.cancel(export_id, claim) else None


def may_be_launched_again(newest_first: Sequence[dg.RunRecord]) -> bool:
    """Whether no run of the export has ever begun, and not too many were tried.

    A code server that is being restarted, or is starved on a busy machine, refuses to begin runs
    for some seconds. That says nothing about the export.
    """
    never_began = all(record.start_time is None for record in newest_first)
    return never_began and len(newest_first) < LAUNCHES_MAX


def answer_late(
    rows: Sequence[ExportRow],
    runs: Mapping[str, Sequence[dg.RunRecord]],
    export_rows: ExportRows,
    lost_after: timedelta,
) -> None:
    """Set the rows that the sensors of ended runs should have set.

    Nothing is to be removed: who was never set PROCESSING has written no file.

    Args:
        rows: Rows that are QUEUED.
        runs: The runs of each, newest first.
        export_rows: Where they are set.
        lost_after: How long a run that is to be retried may let its row wait for that.
    """
    now = datetime.now(UTC)
    for row in rows:
        newest_first = runs.get(row.id, ())
        is_answered = row.updated_at != unanswered_queueing(newest_first)
        if is_answered or _may_be_heard(newest_first, now, lost_after):
            continue
        run = newest_first[0].dagster_run
        if run.status is dg.DagsterRunStatus.CANCELED:
            set_after_termination(export_rows, row.id, claim_of(run))
        else:
            set_after_failure(export_rows, row.id, claim_of(run), newest_first)


def _may_be_heard(
    newest_first: Sequence[dg.RunRecord], now: datetime, lost_after: timedelta
) -> bool:
    """Whether the sensors may still set the row, or another run of it go on."""
    last = last_run_of(newest_first)
    patience = lost_after if last.is_retried else min(SETTLING, lost_after)
    return last.in_flight or now - last.ended_at < patience
