"""Columns of text, as lists of cells: what the writers of text make rows of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

TEXT: Final = pa.large_string()
"""With 64-bit offsets: the cells of a batch may exceed 2 GiB once they are joined."""

Finish = Callable[[list[bytes]], Sequence[bytes]]
"""Gives each of some raw cells as it stands in the file."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows as they go to a file, and how many they are.

    They are counted here and not where they come from, so that one that is lost on the way is
    noticed.
    """

    data: memoryview
    count: int


def text_column(batch: pa.RecordBatch, name: str) -> pa.LargeStringArray:
    """A column as ``large_string``: 64-bit offsets to the same bytes."""
    return batch.column(name).cast(TEXT)


def cells_of(array: pa.Array, null: bytes) -> list[bytes]:
    """The UTF-8 bytes of each cell; ``null`` where there is none."""
    cells: list[bytes | None] = array.cast(pa.large_binary()).to_pylist()
    return [null if cell is None else cell for cell in cells]


def finished_where(
    array: pa.LargeStringArray, mask: pa.BooleanArray, finish: Finish
) -> pa.LargeStringArray:
    """The array with some of its cells finished; the same object if they are none.

    Args:
        array: UTF-8 text.
        mask: Which; where it is null, the cell stays.
        finish: Gives UTF-8.
    """
    chosen = pc.fill_null(mask, fill_value=False)
    if not chosen.true_count:
        return array
    finished = finish(array.filter(chosen).cast(pa.large_binary()).to_pylist())
    return pc.replace_with_mask(array, chosen, pa.array(finished, pa.large_binary()).cast(TEXT))


def written(rows: list[bytes]) -> Rows:
    """The rows, one after the other."""
    return Rows(memoryview(b"".join(rows)), len(rows))
