"""Which exports an operator or a sweep is talking about, as data."""

from dataclasses import dataclass
from datetime import datetime

from lf_export_pipeline.core.request.model import ExportRow

SEARCH_MAX_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class ExportSearch:
    """Conditions that all have to hold; one that is empty or None holds for every export.

    Attributes:
        ids: The exports to choose from.
        statuses: As stored, so that a word that Langfuse adds can be searched for.
        projects: Ids of projects.
        tables: Words of ``tableName``.
        log_contains: A piece of the user's sentence, whatever its case.
        created_since: The first instant of asking.
        created_until: The first instant that is too late.
        finished_since: The first instant of the end of the last attempt.
        limit: How many exports at most, the oldest of them.
    """

    ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    log_contains: str | None = None
    created_since: datetime | None = None
    created_until: datetime | None = None
    finished_since: datetime | None = None
    limit: int = SEARCH_MAX_ROWS

    def matches(self, row: ExportRow) -> bool:
        """Whether a row is meant; what a database answers in one query, for rows at hand."""
        return self._is_among(row) and self._is_timely(row)

    def _is_among(self, row: ExportRow) -> bool:
        chosen = (
            (self.ids, row.id),
            (self.statuses, row.status),
            (self.projects, row.project_id),
            (self.tables, row.table),
        )
        text = (self.log_contains or "").casefold()
        return all(not wanted or value in wanted for wanted, value in chosen) and (
            text in (row.log or "").casefold()
        )

    def _is_timely(self, row: ExportRow) -> bool:
        return (
            (self.created_since is None or row.created_at >= self.created_since)
            and (self.created_until is None or row.created_at < self.created_until)
            and (self.finished_since is None or _finished_since(row, self.finished_since))
        )


def _finished_since(row: ExportRow, instant: datetime) -> bool:
    return row.finished_at is not None and row.finished_at >= instant
