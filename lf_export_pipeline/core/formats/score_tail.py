"""The score columns at the end of every row, as one text per row."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.numbers import readable_doubles
from lf_export_pipeline.core.formats.text import TEXT, cells_of
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

    def of(self, batch: pa.RecordBatch, *, double_quotes: bool) -> list[bytes]:
        """The last piece of each row.

        Args:
            batch: Rows with the two score fields.
            double_quotes: Write each ``"`` of a value twice, as CSV does.
        """
        if not self._opening:
            return [b""] * batch.num_rows
        indexes, lengths = _flat(batch.column(SCORE_INDEXES))
        if len(indexes) == 0:
            return [self._none.encode()] * batch.num_rows
        cells, _ = _flat(batch.column(SCORE_CELLS))
        values = decode_escapes(cells.cast(TEXT), json_text=True)
        if double_quotes:
            values = pc.replace_substring(values, '"', '""')
        else:
            values = readable_doubles(values)
        return cells_of(self._tails(indexes.to_numpy().astype(np.int64), lengths, values), b"")

    def _tails(self, indexes: Ints, lengths: Ints, values: pa.Array) -> pa.LargeStringArray:
        bounds = np.concatenate(([0], np.cumsum(lengths)))
        before = np.concatenate(([-1], indexes[:-1]))
        before[bounds[:-1][lengths > 0]] = -1
        entries = _joined(self._gaps(before, indexes), values, self._closing)
        last = np.full(lengths.size, -1, np.int64)
        last[lengths > 0] = indexes[bounds[1:][lengths > 0] - 1]
        rest = self._gaps(last, np.full(last.size, len(self._opening)))
        of_rows = pa.LargeListArray.from_arrays(pa.array(bounds), entries)
        return _joined(pc.binary_join(of_rows, pa.scalar("", TEXT)), rest)

    def _gaps(self, before: Ints, index: Ints) -> pa.LargeStringArray:
        """The text after the value of one column up to the value of another, for each pair."""
        count = len(self._opening) + 1
        pairs, position = np.unique((before + 1) * count + index, return_inverse=True)
        texts = [self._gap(*divmod(int(pair), count)) for pair in pairs]
        return pa.array(texts, TEXT).take(pa.array(position))

    def _gap(self, first: int, index: int) -> str:
        gap = self._none[self._ends[first] : self._ends[index]]
        return gap + self._opening[index] if index < len(self._opening) else gap


def _flat(lists: pa.ListArray) -> tuple[pa.Array, Ints]:
    """The values of all lists, and how many each list has; a null is an empty list."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return lists.flatten(), lengths.to_numpy().astype(np.int64)


def _joined(*pieces: pa.LargeStringArray | str) -> pa.LargeStringArray:
    """One text per row; a value that is null, which no score is, is written as JSON has it."""
    texts = [pa.scalar(each, TEXT) if isinstance(each, str) else each for each in pieces]
    nothing = pa.scalar("", TEXT)
    return pc.binary_join_element_wise(
        *texts, nothing, null_handling="replace", null_replacement="null"
    )
