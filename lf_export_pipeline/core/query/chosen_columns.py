"""The columns that an export has, and what has to be read for them.

What is left out is not read: payload columns cost the most. Filters, search and order of the
request are not about the columns of its file, and stay.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, OutputColumn
from lf_export_pipeline.core.query.export_query import Lookup
from lf_export_pipeline.core.request.model import ExportRequest


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """What is left of a table, in its order; with nothing left out all of it, as it is."""

    columns: tuple[OutputColumn, ...]
    lookups: tuple[Lookup, ...]
    _left_out: frozenset[str]

    def fields(self, fields: Mapping[str, str], order: Collection[str] = ()) -> Mapping[str, str]:
        """What to read of the rows: Arrow field ← expression.

        Beside the columns of the file these are the keys of its lookups.

        Args:
            fields: Of all columns, with those that only serve lookups.
            order: Fields that the statement orders its rows by.
        """
        if not self._left_out:
            return fields
        needed = {*(each.name for each in self.columns), *(each.key for each in self.lookups)}
        needed.update(order)
        return {
            name: sql
            for name, sql in fields.items()
            if name.removesuffix(JSON_FLAG_SUFFIX) in needed
        }

    def sampled(self, wide: Sequence[str], fields: Mapping[str, str]) -> Sequence[str]:
        """Those of the columns that can be long that some expression still reads."""
        if not self._left_out:
            return wide
        return [column for column in wide if any(column in sql for sql in fields.values())]


def chosen_columns(
    request: ExportRequest, columns: Iterable[OutputColumn], lookups: Iterable[Lookup]
) -> ChosenColumns:
    """The columns and lookups of a table without what its export leaves out.

    A lookup of which no column is left is not there; of the others, no more is joined than is left.
    """
    left_out = frozenset(request.left_out)
    kept = tuple(column for column in columns if column.name not in left_out)
    needed = (_without(lookup, left_out) for lookup in lookups)
    return ChosenColumns(kept, tuple(each for each in needed if each.defaults), left_out)


def _without(lookup: Lookup, left_out: frozenset[str]) -> Lookup:
    if left_out.isdisjoint(lookup.defaults):
        return lookup
    kept = {name: value for name, value in lookup.defaults.items() if name not in left_out}
    return lookup.model_copy(update={"defaults": kept})
