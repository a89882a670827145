"""Cuts the stream of keys into chunks, holding the keys of one chunk at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

KEY = "key"


@dataclass(frozen=True, slots=True)
class KeyChunk:
    """The keys of one chunk in the order of the file, and the range of each bound column."""

    keys: pa.ChunkedArray
    lower: tuple[str, ...]
    upper: tuple[str, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.keys)


class KeyCutter:
    """Cuts batches with the fields ``key``, ``b0``, ``b1``, … into chunks.

    After ``chunks`` has been drained, ``limit_hit`` says whether there were more rows than allowed.
    """

    def __init__(self, rows_of_chunk: Callable[[int], int], row_limit: int) -> None:
        self._rows_of_chunk = rows_of_chunk
        self._row_limit = row_limit
        self.limit_hit = False

    def chunks(self, batches: Iterable[pa.RecordBatch]) -> Iterator[KeyChunk]:
        """The chunks, none of them empty; rows beyond the row limit are left out."""
        pending: list[pa.RecordBatch] = []
        index = 0
        for batch in self._within_limit(batches):
            pending.append(batch)
            while _rows(pending) >= (wanted := self._rows_of_chunk(index)):
                cut, pending = _split(pending, wanted)
                yield _key_chunk(cut)
                index += 1
        if pending:
            yield _key_chunk(pending)

    def _within_limit(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        left = self._row_limit
        for batch in batches:
            if batch.num_rows > left:
                self.limit_hit = True
            if left and batch.num_rows:
                yield batch.slice(0, left)
            left -= min(left, batch.num_rows)


def _rows(batches: list[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in batches)


def _split(
    batches: list[pa.RecordBatch], rows: int
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """The first ``rows`` rows, and the rest; only the last batch can be cut in two."""
    last = batches[-1]
    kept = rows - _rows(batches[:-1])
    rest = last.slice(kept)
    return [*batches[:-1], last.slice(0, kept)], [rest] if rest.num_rows else []


def _key_chunk(batches: list[pa.RecordBatch]) -> KeyChunk:
    table = pa.Table.from_batches(batches)
    ranges = [pc.min_max(table.column(name)) for name in table.column_names if name != KEY]
    return KeyChunk(
        keys=table.column(KEY),
        lower=tuple(bound["min"].as_py() for bound in ranges),
        upper=tuple(bound["max"].as_py() for bound in ranges),
    )
