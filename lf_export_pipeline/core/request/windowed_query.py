"""A stored query over a window of time: the same export again, for the rows of one day or hour.

A window is half-open. It replaces what the user chose for the time of the rows, since a range of
yesterday and a window of today have nothing in common; all other filters stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.request.js_dates import EARLIEST, parse_js_date


@dataclass(frozen=True, slots=True)
class Window:
    """From ``begin`` until just before ``end``, both UTC in whole milliseconds."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class WindowColumn:
    """The time of a table's rows, by which each of them is in one window.

    Attributes:
        names: What filters call it. The last is what Langfuse's page writes, and so do we: the file
            is that of a user who has chosen this range there.
        is_of_parts: Rows are made of others, and the first lower bound leaves out some of those:
            what is left of a session would be a row of each window that it goes on in. A bound
            before all time in front of the others keeps rows whole.
    """

    names: tuple[str, ...]
    is_of_parts: bool = False

    def filters(self, window: Window) -> list[dict[str, str]]:
        """The filters that hold for the rows of a window, as Langfuse stores them."""
        whole = [self._filter(">=", EARLIEST)] if self.is_of_parts else []
        return [*whole, self._filter(">=", window.begin), self._filter("<", window.end)]

    def is_about(self, stored: object) -> bool:
        """Whether a stored filter bounds this time."""
        if not isinstance(stored, Mapping) or stored.get("type") != "datetime":
            return False
        return stored.get("column") in self.names

    def _filter(self, operator: str, instant: datetime) -> dict[str, str]:
        value = written(instant)
        return {
            "column": self.names[-1],
            "type": "datetime",
            "operator": operator,
            "value": value,
        }


def windowed_query(stored: object, column: WindowColumn, window: Window) -> dict[str, Any]:
    """A stored query for the rows of a window; what it says beside the time stays.

    Raises:
        InvalidQueryError: It is none.
    """
    if not isinstance(stored, Mapping):
        raise InvalidQueryError("The stored query is no object.")
    kept = [each for each in _filters(stored) if not column.is_about(each)]
    return {**stored, "filter": [*column.filters(window), *kept]}


def window_of(stored: object, column: WindowColumn) -> Window | None:
    """The window that ``windowed_query`` has put into a query; None: there is none in it."""
    found = [each for each in _filters(stored) if column.is_about(each)]
    bounds = {each.get("operator"): each.get("value") for each in found}  # the last of each wins
    try:
        return Window(parse_js_date(bounds[">="]), parse_js_date(bounds["<"]))
    except (KeyError, ValueError):
        return None


def written(instant: datetime) -> str:
    """An instant as the web app writes it: ``2031-03-01T08:00:00.000Z``."""
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z"


def _filters(stored: object) -> Sequence[Any]:
    filters = stored.get("filter") if isinstance(stored, Mapping) else None
    return filters if isinstance(filters, list | tuple) else ()
