"""Which exports an operator or a sweep is talking about, as data."""

from dataclasses import dataclass
from datetime import datetime

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
