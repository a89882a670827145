"""The keys that a scan has found, and the parts of them that chunks and samples are read by."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.query.freshness import NEWEST

KEY = "key"
UNIT_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class KeyChunk:
    """Keys in the order of the file, and a range of each bound column that they lie in."""

    keys: pa.ChunkedArray
    lower: tuple[str, ...]
    upper: tuple[str, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.keys)

    @property
    def bindable(self) -> bytes | list[str]:
        """The keys as a statement takes them: 64-bit ones packed little-endian, texts as a list."""
        if not pa.types.is_uint64(self.keys.type):
            return [str(key) for key in self.keys.to_pylist()]
        return b"".join(map(_packed, self.keys.chunks))


class ScannedKeys:
    """All keys of an export in the order of the file, up to its row limit.

    They are held in memory, eight bytes for a row of ClickHouse and the id for one of Postgres: how
    long chunks have to be is known only when all rows are. Of the bound columns, which are longer,
    the range of each thousand rows is held, so the range of a part may be a little wide.

    Args:
        batches: With the fields ``key``, ``b0``, ``b1``, … and perhaps ``newest``.
        row_limit: How many rows to keep.

    Attributes:
        rows: How many there are.
        limit_hit: Whether there were more than allowed.
        newest: What the scanned server knew (``core.freshness``); 0: nothing is known of that.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], row_limit: int) -> None:
        self.rows = 0
        self.newest = 0
        self.limit_hit = False
        self._pieces: list[pa.Array] = []
        self._starts: list[int] = []
        self._ranges: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        for batch in batches:
            self.limit_hit = self.limit_hit or batch.num_rows > row_limit - self.rows
            self._add(batch.slice(0, row_limit - self.rows))

    def part(self, start: int, stop: int) -> KeyChunk:
        """The keys from one position to before another, at least one."""
        first, behind = bisect_right(self._starts, start) - 1, bisect_left(self._starts, stop)
        lowers, uppers = zip(*self._ranges[first:behind], strict=True)
        return KeyChunk(
            keys=pa.chunked_array(self._pieces).slice(start, stop - start),
            lower=tuple(map(min, zip(*lowers, strict=True))),
            upper=tuple(map(max, zip(*uppers, strict=True))),
        )

    def _add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        if NEWEST in batch.schema.names:
            self.newest = batch.column(NEWEST)[0].as_py()
            batch = batch.drop_columns([NEWEST])
        for unit in _units(batch):
            self._starts.append(self.rows)
            self._ranges.append(_range(unit))
            self.rows += unit.num_rows
        self._pieces.append(_copied(batch.column(KEY)))


def _packed(keys: pa.UInt64Array) -> bytes:
    """The numbers as they lie in memory; ``to_numpy`` would import pandas for that."""
    width = keys.type.byte_width
    start, stop = keys.offset * width, (keys.offset + len(keys)) * width
    return memoryview(keys.buffers()[1])[start:stop].tobytes()


def _units(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for at in range(0, batch.num_rows, UNIT_ROWS):
        yield batch.slice(at, UNIT_ROWS)


def _range(unit: pa.RecordBatch) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names: Sequence[str] = [name for name in unit.schema.names if name != KEY]
    ranges = [pc.min_max(unit.column(name)) for name in names]
    return tuple(r["min"].as_py() for r in ranges), tuple(r["max"].as_py() for r in ranges)


def _copied(keys: pa.Array) -> pa.Array:
    """The keys alone: a column of a batch that has arrived keeps the whole batch in memory."""
    return pa.concat_arrays([keys, keys.slice(0, 0)])
