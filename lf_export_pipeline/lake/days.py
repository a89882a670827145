"""Days of the lake: of UTC, half-open, told by their date in ISO 8601."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

WHOLE = ""
"""In the place of a day: the one object that a table without days has of a project."""

_ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Days side by side, the last one not among them."""

    first: date
    end: date

    @property
    def start_at(self) -> datetime:
        """Its first instant."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end_at(self) -> datetime:
        """The first instant that is no longer in it."""
        return datetime.combine(self.end, time(), UTC)

    def widened(self, days: int) -> "Span":
        """With so many days more on both sides."""
        more = timedelta(days=days)
        return Span(self.first - more, self.end + more)

    @property
    def halves(self) -> "tuple[Span, Span] | None":
        """Its days in two spans; None: it is one day."""
        days = (self.end - self.first).days
        middle = self.first + timedelta(days=days // 2)
        return (Span(self.first, middle), Span(middle, self.end)) if days > 1 else None

    def __iter__(self) -> Iterator[str]:
        """Each day's date."""
        for number in range((self.end - self.first).days):
            yield (self.first + timedelta(days=number)).isoformat()


def day_span(day: str) -> Span:
    """One day."""
    first = date.fromisoformat(day)
    return Span(first, first + _ONE)


def spans(days: Iterable[str]) -> list[Span]:
    """The days in as few spans as possible, in order."""
    found: list[Span] = []
    for first in sorted({date.fromisoformat(day) for day in days}):
        if found and found[-1].end == first:
            found[-1] = Span(found[-1].first, first + _ONE)
        else:
            found.append(Span(first, first + _ONE))
    return found
