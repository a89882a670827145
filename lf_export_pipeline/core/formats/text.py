"""Kernels on columns of text: everything that a serialiser does to many cells at once.

All functions take and give Arrow ``large_string`` arrays: 64-bit offsets, because the rows of a
batch may exceed 2 GiB once they are joined. Two engines are used, each for what it does best:
Arrow joins columns (4 to 8 GB/s), polars replaces and searches within cells (2.7 and 17 GB/s; Arrow
1.4 and 0.7) and escapes JSON strings (1.5 GB/s).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

TEXT: Final = pa.large_string()

NARROW_CELL_BYTES: Final = 64
"""Up to this average three looks at all bytes cost less than escaping each cell."""

_SEARCHED_BYTES: Final = 256 * 1024
"""What fits into a core's cache, with what a search makes of it."""

Fragment: TypeAlias = str | pa.LargeStringArray
"""A piece of every row: the same text for all of them, or a text for each."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows as they go to a file, and how many they are.

    They are counted here and not where they come from, so that one that is lost on the way is
    noticed.
    """

    data: memoryview
    count: int


def text_column(batch: pa.RecordBatch, name: str) -> pa.LargeStringArray:
    """A column as ``large_string``: 64-bit offsets to the same bytes.

    Polars relies on valid UTF-8, which the reader of the rows has seen to.
    """
    return batch.column(name).cast(TEXT)


def offsets(array: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Where each cell begins in the array's data, and after them where the last one ends."""
    buffer = array.buffers()[1]
    return np.frombuffer(buffer, np.int64, len(array) + 1, array.offset * 8)


def data(array: pa.LargeStringArray) -> npt.NDArray[np.uint8]:
    """The UTF-8 bytes of all cells of a non-empty array, one after the other, without a copy."""
    bounds = offsets(array)
    buffer = array.buffers()[2]
    if buffer is None or bounds[0] == bounds[-1]:
        return np.empty(0, np.uint8)
    return np.frombuffer(buffer, np.uint8)[bounds[0] : bounds[-1]]


def contains(array: pa.LargeStringArray, character: str) -> bool:
    """Whether an ASCII character occurs in any cell; the search ends at the first one."""
    cells, wanted = data(array), ord(character)
    blocks = range(0, cells.size, _SEARCHED_BYTES)
    return any((cells[at : at + _SEARCHED_BYTES] == wanted).any() for at in blocks)


def holds(array: pa.LargeStringArray, needle: str) -> bool:
    """Whether a text occurs in any cell."""
    return bool(_contains(array, needle).any())


def cells_with(array: pa.LargeStringArray, needle: str) -> pa.BooleanArray:
    """For each cell whether it contains the text; false for null."""
    return _contains(array, needle).fill_null(value=False).to_arrow()


def _contains(array: pa.LargeStringArray, needle: str) -> pl.Series:
    return pl.Series(values=array).str.contains(needle, literal=True)


def replace(array: pa.LargeStringArray, old: str, new: str) -> pa.LargeStringArray:
    """The array with every occurrence of a text replaced by another."""
    return _from_polars(pl.Series(values=array).str.replace_all(old, new, literal=True))


def replace_first(array: pa.LargeStringArray, pattern: str, new: str) -> pa.LargeStringArray:
    """The array with the first match of a regular expression replaced in every cell."""
    return _from_polars(pl.Series(values=array).str.replace(pattern, new))


def join(fragments: Sequence[Fragment], null: str | None, separator: str = "") -> Fragment:
    """One text per row: its fragments, put together; one text for all if they are all the same.

    Args:
        fragments: Texts and arrays of one length.
        null: What stands for a null; None makes the whole row null.
        separator: What stands between two fragments.
    """
    merged: list[Fragment] = []
    for fragment in fragments:
        if isinstance(fragment, str) and merged and isinstance(merged[-1], str):
            merged[-1] += separator + fragment
        else:
            merged.append(fragment)
    if len(merged) == 1 and isinstance(merged[0], str):
        return merged[0]
    pieces = [pa.scalar(text, TEXT) if isinstance(text, str) else text for text in merged]
    return pc.binary_join_element_wise(
        *pieces,
        pa.scalar(separator, TEXT),
        null_handling="emit_null" if null is None else "replace",
        null_replacement=null or "",
    )


def json_strings(array: pa.LargeStringArray) -> list[Fragment]:
    """Fragments that make each cell a JSON string as ``JSON.stringify`` writes it.

    A null stays null, or is the text ``null``. Columns of short and plain cells (ids, names) need
    no escaping, which is seen by one look at their bytes.
    """
    if not _is_plain(array):
        return [_escaped_json(array)]
    if array.null_count:
        return [join(['"', array, '"'], null=None)]
    return ['"', array, '"']


def _is_plain(array: pa.LargeStringArray) -> bool:
    cells = data(array)
    if cells.size > len(array) * NARROW_CELL_BYTES:
        return False
    return not (cells.size and (cells.min() < 32 or (cells == 34).any() or (cells == 92).any()))


def _escaped_json(array: pa.LargeStringArray) -> pa.LargeStringArray:
    # Polars escapes only whole structs: a struct whose one key is empty gives {"":"..."}, and
    # taking the wrapping off costs next to nothing because polars strings are views.
    cells = pl.Series(name="", values=array).to_frame().to_struct()
    return _from_polars(cells.struct.json_encode().str.slice(4).str.head(-1))


def _from_polars(series: pl.Series) -> pa.LargeStringArray:
    return series.to_arrow(compat_level=pl.CompatLevel.oldest())


def written(rows: Fragment, count: int) -> Rows:
    """The rows, without a copy; the count is needed only if they are all the same."""
    if isinstance(rows, str):
        return Rows(memoryview(rows.encode() * count), count)
    return Rows(data(rows).data, len(rows) - rows.null_count)
