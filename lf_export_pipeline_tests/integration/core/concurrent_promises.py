"""What is promised of a file into whose table others write while it is made."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Self

from lf_export_pipeline_tests.integration.core.concurrent_writers import (
    LATE,
    LEAVING,
    QUIET,
    SIZES,
    Busy,
    ids_of,
    text_of,
)

ExportedRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Promises:
    """What was known when the export began.

    Attributes:
        before: The rows of an export before anybody wrote.
        shown: The columns that tell the version, all of them the same.
        there: The ids of rows that were there.
        left: The ids of rows that were deleted.
        changed: The version that each row had at least.
    """

    before: Mapping[str, ExportedRow]
    shown: Sequence[str]
    there: frozenset[str]
    left: frozenset[str]
    changed: Mapping[str, int]

    @classmethod
    def now(cls, busy: Busy, before: Sequence[ExportedRow], shown: Sequence[str] = ()) -> Self:
        """The promises of an export that begins now."""
        # What comes after this line is copied may be in the file, but need not.
        come, left, changed = frozenset(busy.come), frozenset(busy.left), dict(busy.changed)
        rows = {id_of(row): row for row in before}
        first = {row_id for group in SIZES for row_id in ids_of(group)}
        return cls(rows, shown, come | first, left, changed)

    def broken(self, rows: Sequence[ExportedRow], busy: Busy) -> dict[str, set[str]]:
        """The ids of the rows that are not as promised, by the promise; empty if all is well."""
        found = {id_of(row): row for row in rows}
        ids, leaving = Counter(id_of(row) for row in rows), set(busy.leaving)
        quiet = {*ids_of(QUIET), *ids_of(LEAVING)} - leaving
        unkept: dict[str, Set[str]] = {
            "no row twice": {each for each, times in ids.items() if times > 1},
            "no row lost": self.there - leaving - found.keys(),
            "nobody touched it": {
                each for each in quiet if found.get(each) != self.before.get(each)
            },
            "none too late": {each for each in found if each.endswith(LATE)},
            "deleted before": self.left & found.keys(),
            "one version": {each for each, row in found.items() if self._is_mixed_or_old(row)},
        }
        return {promise: set(ids) for promise, ids in unkept.items() if ids}

    def _is_mixed_or_old(self, row: ExportedRow) -> bool:
        if not self.shown:
            return False
        text, *others = {row[name] for name in self.shown}
        return bool(others) or version_of(text, id_of(row)) < self.changed.get(id_of(row), 0)


def id_of(row: ExportedRow) -> str:
    """The id as the writers know it; in the database the name of the project may follow."""
    return str(row["id"]).partition(" ")[0]


def version_of(text: str, row_id: str) -> int:
    """The version of the row that says this; -1 for what none says."""
    version = text.split(" ")[1]
    is_one = version.isdecimal() and text == text_of(row_id, int(version))
    return int(version) if is_one else -1
