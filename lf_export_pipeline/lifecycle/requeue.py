"""Queues failed exports again, many at once: first in words, then in deed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.parsing import compiled_unanswered, parse_request
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.admission import STALE_AFTER, ExportLimits, is_stale
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS, ExportSearch
from lf_export_pipeline.core.request.file_defaults import FileDefaults
from lf_export_pipeline.core.request.model import ExportRow, StoredExport

HEADINGS = ("export", "project", "table", "format", "requested", "error", "outcome")

WOULD_QUEUE = "would be requeued"
QUEUED = "requeued"
TOO_OLD = "skipped: older than 30 days, would be rejected"
CHANGED = "skipped: its status has changed"
INVALID = "skipped: the request is invalid, would be rejected again"
LIMIT_MAX = 100_000


class RequeueConfig(dg.Config):
    """Which failed exports; conditions that are left out hold for all."""

    # An empty text stands for none: the launchpad scaffolds only what has a default to show.
    since: str = Field(
        default="",
        description=(
            "Only exports requested at or after this time, such as 2031-03-01T08:00Z. Default "
            "without ids: the last 30 days, since older ones would be rejected."
        ),
    )
    until: str = Field(default="", description="Only exports requested before this time.")
    projects: list[str] = Field(default=[], description="Only exports of these projects (ids).")
    tables: list[str] = Field(
        default=[], description="Only exports of these tables, such as traces."
    )
    error_contains: str = Field(
        default="", description="Only exports whose error message contains this text."
    )
    ids: list[str] = Field(
        default=[], description="Only these exports (ids), CANCELLED ones among them."
    )
    limit: int = Field(
        default=SEARCH_MAX_ROWS,
        ge=1,
        le=LIMIT_MAX,
        description="Maximum number, oldest first.",
    )
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
    """The failed exports that are meant; of those that are named the cancelled ones, too.

    Somebody wanted a cancelled export no longer, so conditions alone never queue it. Those that
    are too old to run count among the named ones, by ids or by a time: else a thousand of them, the
    oldest there are, would hide all others.

    Raises:
        PermanentError: An instant cannot be read.
    """
    recent = None if config.ids else now - STALE_AFTER
    return ExportSearch(
        ids=tuple(config.ids),
        statuses=("FAILED", "CANCELLED") if config.ids else ("FAILED",),
        projects=tuple(config.projects),
        tables=tuple(config.tables),
        log_contains=config.error_contains or None,
        created_since=_instant("since", config.since) or recent,
        created_until=_instant("until", config.until),
        limit=config.limit,
    )


def requeue_failed(
    export_rows: BatchExportRepository,
    config: RequeueConfig,
    now: datetime,
    limits: ExportLimits,
    defaults: FileDefaults,
) -> list[Requeued]:
    """What was done, or would be.

    An export whose status is another by now is left alone, and so is one whose request is judged
    invalid: it would fail again, and its user would get another e-mail that says so.

    Args:
        export_rows: The exports.
        config: Which of them, and whether they are only reported.
        now: Exports of more than 30 days before are too old.
        limits: What a request may hold.
        defaults: What no file may hold, and how files are written.
    """
    rows = export_rows.search(search_of(config, now))

    def is_invalid(row: ExportRow) -> bool:
        return _is_invalid(export_rows.stored(row.id), limits, defaults)

    return [Requeued(row, _outcome(export_rows, row, now, config, is_invalid)) for row in rows]


def _outcome(
    export_rows: BatchExportRepository,
    row: ExportRow,
    now: datetime,
    config: RequeueConfig,
    is_invalid: Callable[[ExportRow], bool],
) -> str:
    if is_stale(row.created_at, now):
        return TOO_OLD
    if is_invalid(row):
        return INVALID
    if config.dry_run:
        return WOULD_QUEUE
    return QUEUED if export_rows.requeue(row.id, only=row.status) else CHANGED


def _is_invalid(stored: StoredExport | None, limits: ExportLimits, defaults: FileDefaults) -> bool:
    """By the row itself and not by its runs: a newer version may take what an older one refused."""
    try:
        if stored is not None:
            compiled_unanswered(parse_request(stored, limits, defaults), limits)
    except PermanentError:
        return True
    return False


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        user_message = f"{name} is not a valid time; write it like 2031-03-01T08:00:00Z."
        raise PermanentError(user_message) from error


def summary_of(requeued: Iterable[Requeued]) -> str:
    """One line with how many had which outcome."""
    outcomes = [one.outcome for one in requeued]
    counts = [f"{outcomes.count(outcome):,} {outcome}" for outcome in sorted(set(outcomes))]
    return "; ".join(counts) or "No failed export matches"
