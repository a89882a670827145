"""Queues failed exports again, many at once: first in words, then in deed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.admission import STALE_AFTER
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS, ExportSearch
from lf_export_pipeline.core.request.model import ExportRow

HEADINGS = ("export", "project", "table", "format", "requested", "error", "outcome")

WOULD_QUEUE = "would be requeued"
QUEUED = "requeued"
TOO_OLD = "skipped: older than 30 days, would be rejected"
CHANGED = "skipped: no longer FAILED"


class RequeueConfig(dg.Config):
    """Which failed exports; conditions that are left out hold for all."""

    since: str | None = Field(
        default=None,
        description=(
            "Only exports requested at or after this time, such as 2031-03-01T08:00Z. Default "
            "without ids: the last 30 days, since older ones would be rejected."
        ),
    )
    until: str | None = Field(default=None, description="Only exports requested before this time.")
    projects: list[str] = Field(default=[], description="Only exports of these projects (ids).")
    tables: list[str] = Field(
        default=[], description="Only exports of these tables, such as traces."
    )
    error_contains: str | None = Field(
        default=None, description="Only exports whose error message contains this text."
    )
    ids: list[str] = Field(default=[], description="Only these exports (ids).")
    limit: int = Field(default=SEARCH_MAX_ROWS, ge=1, description="Maximum number, oldest first.")
    dry_run: bool = Field(default=True, description="Only report what would be done.")


@dataclass(frozen=True, slots=True)
class Requeued:
    """An export that was meant, and what has become of it."""

    row: ExportRow
    outcome: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of a table, in the order of ``HEADINGS``."""
        row = self.row
        return (
            row.id,
            row.project_id,
            row.table or "",
            row.format,
            f"{row.created_at:%Y-%m-%d %H:%M}",
            row.log or "",
            self.outcome,
        )


def search_of(config: RequeueConfig, now: datetime) -> ExportSearch:
    """The failed exports that are meant.

    Those that are too old to run count among them when they are named, by ids or by a time: else
    a thousand of them, the oldest there are, would hide all others.

    Raises:
        PermanentError: An instant cannot be read.
    """
    recent = None if config.ids else now - STALE_AFTER
    return ExportSearch(
        ids=tuple(config.ids),
        statuses=("FAILED",),
        projects=tuple(config.projects),
        tables=tuple(config.tables),
        log_contains=config.error_contains,
        created_since=_instant("since", config.since) or recent,
        created_until=_instant("until", config.until),
        limit=config.limit,
    )


def requeue_failed(
    export_rows: BatchExportRepository, config: RequeueConfig, now: datetime
) -> list[Requeued]:
    """What was done, or would be; an export that is no longer FAILED by now is left alone."""
    rows = export_rows.find(search_of(config, now))
    return [Requeued(row, _outcome(export_rows, row, now, dry_run=config.dry_run)) for row in rows]


def _outcome(
    export_rows: BatchExportRepository, row: ExportRow, now: datetime, *, dry_run: bool
) -> str:
    if row.created_at < now - STALE_AFTER:
        return TOO_OLD
    if dry_run:
        return WOULD_QUEUE
    return QUEUED if export_rows.requeue(row.id, only="FAILED") else CHANGED


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        sentence = f"{name} is not a valid time; write it like 2031-03-01T08:00:00Z."
        raise PermanentError(sentence) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def summary_of(requeued: Iterable[Requeued]) -> str:
    """One line with how many had which outcome."""
    outcomes = [one.outcome for one in requeued]
    counts = [f"{outcomes.count(outcome):,} {outcome}" for outcome in sorted(set(outcomes))]
    return "; ".join(counts) or "No failed export matches"
