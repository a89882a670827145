"""Which end of an export the notice of a run is about.

The row says how an export has ended, and not the run that owes the notice: that run may have been
about to publish a file when it failed, or be one of several that have failed together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.cleanup import is_published_as
from lf_export_pipeline.lifecycle.partitions import BYTES_TAG, OBJECT_TAG, ROWS_TAG
from lf_export_pipeline.lifecycle.run_records import number_in
from lf_export_pipeline.notify.channels import Notification, Occasion

FAILURE_TOLD_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class End:
    """How an export has ended, if that is to be told.

    Attributes:
        notification: What is told; None: nothing.
        about: Names this one end: the key of the file, or when the export failed. It is told once,
            however many runs owe it.
        reason: Why nothing is told.
        is_open: Whether the export has not ended yet, so that this may change.
    """

    notification: Notification | None = None
    about: str = ""
    reason: str = ""
    is_open: bool = False


def end_of(run: dg.DagsterRun, row: ExportRow | None, now: datetime) -> End:
    """What a run that owes a notice has to tell.

    Args:
        run: With its tags as they are now.
        row: Its export's, as it is now; None: it is gone.
        now: UTC.
    """
    if row is None:
        return End(reason="the export is gone")
    match row.status:
        case "COMPLETED":
            return _of_file(run, row, now)
        case "FAILED":
            return _of_failure(row, now)
        case "CANCELLED":
            return End(reason="the export was cancelled")
        case _:
            return End(reason=f"the export is {row.status}", is_open=True)


def _of_file(run: dg.DagsterRun, row: ExportRow, now: datetime) -> End:
    key = run.tags.get(OBJECT_TAG)
    if key is None or not is_published_as(row, key):
        return End(reason="the row does not link to this run's file")
    if row.expires_at is not None and row.expires_at <= now:
        return End(reason="the link has expired")
    size = number_in(run, BYTES_TAG) if BYTES_TAG in run.tags else None
    rows = number_in(run, ROWS_TAG) if ROWS_TAG in run.tags else None
    return End(Notification(Occasion.READY, row, rows, size), about=key)


def _of_failure(row: ExportRow, now: datetime) -> End:
    failed_at = row.finished_at or row.updated_at
    if failed_at < now - FAILURE_TOLD_WITHIN:
        return End(reason="the export failed long ago")
    return End(Notification(Occasion.FAILED, row), about=f"{row.id} {failed_at.isoformat()}")
