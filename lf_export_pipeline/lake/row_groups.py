"""Cuts rows into row groups, which depend on the rows alone and not on how they have come."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ROWS_MAX: Final = 20_000
BYTES_MAX: Final = 64 * 1024 * 1024
"""Of values before they are encoded: what a reader needs for one row group, and we as well."""

_FIXED_BYTES: Final = 8

Sizes = npt.NDArray[np.int64]


def row_groups(
    batches: Iterable[pa.RecordBatch], *, rows_max: int = ROWS_MAX, bytes_max: int = BYTES_MAX
) -> Iterator[pa.Table]:
    """The rows as tables in one piece each, none of them empty.

    A table ends before the row with which it would have too many rows or bytes. A row that is too
    large by itself has one for itself.
    """
    held: list[pa.RecordBatch] = []
    rows, size = 0, 0
    for batch in batches:
        ends = np.cumsum(row_bytes(batch))
        start, before = 0, 0
        while start < batch.num_rows:
            by_size = int(np.searchsorted(ends, before + bytes_max - size, side="right"))
            stop = max(start, min(by_size, start + rows_max - rows))
            if stop == start and not rows:
                stop = start + 1
            if stop > start:
                held.append(batch.slice(start, stop - start))
                rows, size = rows + stop - start, size + int(ends[stop - 1]) - before
            start, before = stop, int(ends[stop - 1]) if stop else 0
            if start < batch.num_rows:
                yield _table(held)
                held, rows, size = [], 0, 0
    if held:
        yield _table(held)


def row_bytes(batch: pa.RecordBatch) -> Sizes:
    """How many bytes the values of each row have; of a batch that is no slice of another."""
    total: Sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        total += _sizes(column)
    return total


def _sizes(array: pa.Array) -> Sizes:
    kind = array.type
    if pa.types.is_string(kind):
        return _numbers(pc.binary_length(array))
    if pa.types.is_map(kind):
        return _within(array.offsets, _sizes(array.keys) + _sizes(array.items))
    if pa.types.is_list(kind):
        return _within(array.offsets, _sizes(array.values))
    return np.full(len(array), _FIXED_BYTES, np.int64)


def _within(offsets: pa.Array, sizes: Sizes) -> Sizes:
    """The sum of the sizes between each offset and the next."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    found: Sizes = np.diff(ends[offsets.to_numpy()])
    return found


def _numbers(lengths: pa.Array) -> Sizes:
    found: Sizes = lengths.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


def _table(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).combine_chunks()
