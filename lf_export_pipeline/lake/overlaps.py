"""Which rows of a day are superseded: by a newer version under another key or on another day.

``FINAL`` keeps the newest version of each sorting key, and the day is a part of that key: a version
with another start, type or name stands beside the older one. Of the rows of one id the newest
counts, as in exports. Days are compared that are not too far from each other.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from lf_export_pipeline.lake.manifest import NO_OVERLAP, Overlap


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A row that ``FINAL`` leaves, as it is compared with others of its id: the greatest wins."""

    version: int
    day: str
    key: str


@dataclass(frozen=True, slots=True)
class DayOverlap:
    """What is known of a day's rows that share their id with others.

    Attributes:
        left_out: The keys of those that are superseded.
        noted: The same for the manifest, with the other days.
    """

    left_out: frozenset[str] = frozenset()
    noted: Overlap = NO_OVERLAP

    def beside(self, earlier: "DayOverlap") -> "DayOverlap":
        """This one, with the other days that an earlier look has found as well."""
        days = {*self.noted.neighbours, *earlier.noted.neighbours}
        noted = self.noted.model_copy(update={"neighbours": tuple(sorted(days))})
        return DayOverlap(self.left_out, noted)


def day_overlap(day: str, rows: Iterable[tuple[object, ...]], within_days: int) -> DayOverlap:
    """What the answer to ``Reading.overlaps`` means.

    Args:
        day: The day that was asked about.
        rows: ``id, day, key, version`` of every row whose id has several.
        within_days: How far apart days may be.
    """
    versions: defaultdict[str, list[Version]] = defaultdict(list)
    for identity, row_day, key, version in rows:
        if _distance(day, str(row_day)) <= within_days:
            found = Version(int(str(version)), str(row_day), str(key))
            versions[str(identity)].append(found)
    left_out: set[str] = set()
    neighbours: set[str] = set()
    for each in versions.values():
        here = [one for one in each if one.day == day]
        if here and len(each) > 1:
            left_out |= {one.key for one in here if one != max(each)}
            neighbours |= {one.day for one in each} - {day}
    noted = Overlap(
        superseded=len(left_out), digest=_digest(left_out), neighbours=tuple(sorted(neighbours))
    )
    return DayOverlap(frozenset(left_out), noted)


def _digest(keys: Iterable[str]) -> str:
    text = "\n".join(sorted(keys))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _distance(one: str, other: str) -> int:
    return abs((date.fromisoformat(one) - date.fromisoformat(other)).days)
