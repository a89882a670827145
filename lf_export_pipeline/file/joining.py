"""Adds the columns of a lookup to rows, like a left join whose right side has distinct keys."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from lf_export_pipeline.core.query.columns import SCORE_CELLS, SCORE_INDEXES
from lf_export_pipeline.core.query.export_query import Lookup

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.template import LookedUp

LIST_COLUMNS = {SCORE_INDEXES: pa.list_(pa.uint32()), SCORE_CELLS: pa.list_(pa.string())}
"""The types of the columns that are not text; a lookup that finds nothing does not tell them."""


class LookupTable:
    """The rows of a lookup, by key, ready to be matched to any number of batches."""

    def __init__(self, lookup: Lookup, batches: Iterable[pa.RecordBatch]) -> None:
        self._key = lookup.key
        found = list(batches)
        keys = [key for batch in found for key in batch.column("key").to_pylist()]
        self._positions = {key: at for at, key in enumerate(keys)}
        self._without_match = len(keys)
        self._columns = {
            name: _with_default(name, [batch.column(name) for batch in found], default)
            for name, default in lookup.defaults.items()
        }

    @property
    def keys(self) -> list[str]:
        """All keys that something was found for, each once."""
        return list(self._positions)

    @property
    def values(self) -> pa.RecordBatch:
        """The columns by the order of ``keys``, and then those of a row without a match."""
        at = pa.array([*self._positions.values(), self._without_match], pa.int32())
        columns = [column.take(at) for column in self._columns.values()]
        return pa.RecordBatch.from_arrays(columns, names=list(self._columns))

    @cached_property
    def looked_up(self) -> "LookedUp":
        """What is sent along where ClickHouse writes the rows; the same for all chunks."""
        # Imported late: with it comes Arrow, which the daemon and the web server never need.
        from lf_export_pipeline.core.formats.template import LookedUp  # noqa: PLC0415

        return LookedUp(self._key, self.keys, self.values)

    def joined(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with the lookup's columns; a row without a match gets the defaults.

        Arrow's ``index_in`` would hash all keys again for every batch of rows.
        """
        positions, without_match = self._positions, self._without_match
        keys = rows.column(self._key).to_pylist()
        at = pa.array([positions.get(key, without_match) for key in keys], pa.int32())
        added = {name: column.take(at) for name, column in self._columns.items()}
        return _extended(rows, added)


def distinct_keys(lookup: Lookup, rows: pa.RecordBatch) -> list[str]:
    """The keys that occur in the rows, each once; not null, and no text with a NUL.

    Keys are looked up in Postgres, which stores no NUL and refuses to be asked about one.
    """
    keys: list[str] = rows.column(lookup.key).unique().drop_null().to_pylist()
    return [key for key in keys if "\x00" not in key]


def _extended(rows: pa.RecordBatch, added: Mapping[str, pa.Array]) -> pa.RecordBatch:
    names = [*rows.schema.names, *added]
    return pa.RecordBatch.from_arrays([*rows.columns, *added.values()], names=names)


def _with_default(name: str, arrays: list[pa.Array], default: str | None) -> pa.Array:
    """The values, and after the last of them the one that stands for "no match"."""
    kind = LIST_COLUMNS.get(name, pa.string())
    nothing: object = [] if name in LIST_COLUMNS else default
    return _one_array([*arrays, pa.array([nothing], kind)], kind)


def _one_array(arrays: list[pa.Array], kind: pa.DataType) -> pa.Array:
    joined = pa.chunked_array([array.cast(kind) for array in arrays], kind).combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)
