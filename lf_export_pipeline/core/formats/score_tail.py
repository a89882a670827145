"""The score columns at the end of every row, as one text per row."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats import text
from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.numbers import readable_numbers
from lf_export_pipeline.core.query.columns import SCORE_CELLS, SCORE_INDEXES

Ints = npt.NDArray[np.int64]


class ScoreTail:
    """Writes the score columns of a row as gaps and values.

    A gap is a stretch of the text that a row without any score has, so a row costs as many steps
    as it has scores, whatever the number of score columns.
    """

    def __init__(self, missing: Sequence[str], opening: Sequence[str], closing: str = "") -> None:
        """Args: per score column the text without a value and the text before one; after one."""
        self._none = "".join(missing)
        self._ends = [0, *accumulate(len(piece) for piece in missing)]
        self._opening = opening
        self._closing = closing

    @property
    def size(self) -> int:
        """About how many bytes this adds to each row."""
        return len(self._none)

    def fragment(self, batch: pa.RecordBatch, *, double_quotes: bool) -> text.Fragment:
        """The last piece of each row: one text for all if no row of the batch has a score.

        Args:
            batch: Rows with the two score fields.
            double_quotes: Write each ``"`` of a value twice, as CSV does.
        """
        if not self._opening:
            return ""
        indexes, lengths = _flat(batch.column(SCORE_INDEXES))
        if len(indexes) == 0:
            return self._none
        cells, _ = _flat(batch.column(SCORE_CELLS))
        values = decode_escapes(cells.cast(text.TEXT), json_text=True)
        if not double_quotes:
            values = readable_numbers(values)
        if double_quotes and text.contains(values, '"'):
            values = text.replace(values, '"', '""')
        return self._tails(indexes.to_numpy().astype(np.int64), lengths, values)

    def _tails(self, indexes: Ints, lengths: Ints, values: pa.Array) -> pa.LargeStringArray:
        bounds = np.concatenate(([0], np.cumsum(lengths)))
        before = np.concatenate(([-1], indexes[:-1]))
        before[bounds[:-1][lengths > 0]] = -1
        entries = text.join([self._gaps(before, indexes), values, self._closing], null="null")
        last = np.full(lengths.size, -1, np.int64)
        last[lengths > 0] = indexes[bounds[1:][lengths > 0] - 1]
        rest = self._gaps(last, np.full(last.size, len(self._opening)))
        return text.join([_regrouped(entries, bounds), rest], null="")

    def _gaps(self, before: Ints, index: Ints) -> pa.LargeStringArray:
        """The text after the value of one column up to the value of another, for each pair."""
        count = len(self._opening) + 1
        pairs, position = np.unique((before + 1) * count + index, return_inverse=True)
        texts = [self._gap(*divmod(int(pair), count)) for pair in pairs]
        return pa.array(texts, text.TEXT).take(pa.array(position))

    def _gap(self, first: int, index: int) -> str:
        gap = self._none[self._ends[first] : self._ends[index]]
        return gap + self._opening[index] if index < len(self._opening) else gap


def _flat(lists: pa.ListArray) -> tuple[pa.Array, Ints]:
    """The values of all lists, and how many each list has; a null is an empty list."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return lists.flatten(), lengths.to_numpy().astype(np.int64)


def _regrouped(entries: pa.LargeStringArray, bounds: Ints) -> pa.LargeStringArray:
    """Neighbouring entries as one text per row: the same bytes with fewer offsets."""
    buffers = [None, pa.py_buffer(text.offsets(entries)[bounds]), entries.buffers()[2]]
    return pa.Array.from_buffers(text.TEXT, bounds.size - 1, buffers)
