"""Whose an export is while it is PROCESSING.

Langfuse's table has no column for that, so the ``log`` of the row, which is empty until the export
ends, holds a sentence with the first run of the chain that has taken it. A chain of re-executions
is one owner. Langfuse's own worker and older versions of this package write no such sentence.
"""

from dataclasses import dataclass
from datetime import datetime

from lf_export_pipeline.core.request.model import ExportRow

MARK_BEGIN = "Taken up by Dagster run "
_MARK_END = "."


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody may end: a row that he has taken, or one that is still as he has seen it.

    Attributes:
        owner: The root run of a chain; its are the rows that are PROCESSING and carry its mark.
        unchanged_since: The ``updated_at`` that was seen. A row that was queued again, taken, or
            touched since then has another one. It is compared with nothing but itself, so that no
            clock and no time zone matters.
    """

    owner: str | None = None
    unchanged_since: datetime | None = None


def mark_of(owner: str) -> str:
    """The sentence in the row of an export that this chain of runs has taken."""
    return f"{MARK_BEGIN}{owner}{_MARK_END}"


def owner_of(row: ExportRow) -> str | None:
    """The root run of the chain that has taken the export; None: nobody, or nobody who says so."""
    log = row.log or ""
    if row.status != "PROCESSING" or not log.startswith(MARK_BEGIN):
        return None
    return log.removeprefix(MARK_BEGIN).removesuffix(_MARK_END)


def is_anothers(row: ExportRow, owner: str) -> bool:
    """Whether another chain of runs has taken the export and says so."""
    return owner_of(row) not in (None, owner)
