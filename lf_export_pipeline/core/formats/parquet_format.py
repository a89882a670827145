"""Parquet: the columns of CSV, each with the type that its values have."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lf_export_pipeline.core.formats.arrow_types import schema_of
from lf_export_pipeline.core.formats.parquet_footer import MAGIC, footer_of, framed, merged
from lf_export_pipeline.core.formats.text import Rows
from lf_export_pipeline.core.formats.typed_rows import TypedRows
from lf_export_pipeline.core.formats.writer import ChunkEnding, Layout, slices, writes
from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.request.model import ExportFormat

ROW_GROUP_MAX_ROWS: Final = 20_000
ROW_GROUP_MAX_BYTES: Final = 32 * 1024 * 1024
"""Of values before they are encoded: half of what readers are promised, as it is held in memory."""

_LIST, _KEY = ".list.element", ".key_value.key"
REPEATING_PATHS: Final = {
    ColumnType.TEXT: "",
    ColumnType.TEXTS: _LIST,
    ColumnType.TEXT_MAP: _KEY,
    ColumnType.JSON_MAP: _KEY,
    ColumnType.USAGE_MAP: _KEY,
    ColumnType.COST_MAP: _KEY,
}
"""Which values of a column are likely to repeat, as the end of their path in a file."""

WITH_STATISTICS: Final = frozenset(
    {
        *(ColumnType.TEXT, ColumnType.INSTANT, ColumnType.BOOLEAN, ColumnType.INTEGER),
        *(ColumnType.USAGE, ColumnType.DOUBLE, ColumnType.COST, ColumnType.COST_SUM),
    }
)
"""The columns whose smallest and greatest value readers can make use of."""


@writes(ExportFormat.PARQUET)
class ParquetWriter:
    """Row groups, and a footer that lists them: that of each chunk, moved to its place.

    Every chunk has the same columns with the same types, whatever is in its rows.
    """

    content_type = "application/vnd.apache.parquet"
    extension = "parquet"
    prefix = MAGIC
    separator = b""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def end(self, endings: Sequence[ChunkEnding]) -> bytes:
        """One footer for the row groups of all chunks."""
        return framed(merged((each.begins_at - len(MAGIC), each.data) for each in endings))

    @cached_property
    def empty(self) -> bytes:
        """A file with all columns and no row group."""
        out = pa.BufferOutputStream()
        _opened(out, self._layout).close()
        whole: bytes = out.getvalue().to_pybytes()
        return whole

    def encoder(self) -> "ParquetChunk":
        """An encoder that collects rows until they fill a row group."""
        return ParquetChunk(self._layout)


class ParquetChunk:
    """The row groups of one chunk."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._rows = TypedRows(layout)
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0
        self._sink = _Sink()
        self._writer: pq.ParquetWriter | None = None
        self.ending = b""

    @property
    def unfit(self) -> dict[str, int]:
        """By column, how many values are missing as they do not fit its type."""
        return dict(self._rows.unfit)

    def rows(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        """The row groups that are full with this batch."""
        for piece in slices(batch, row_overhead=4 * len(self._rows.schema)):
            for start in range(0, piece.num_rows, ROW_GROUP_MAX_ROWS):
                typed = self._rows.batch(piece.slice(start, ROW_GROUP_MAX_ROWS))
                if self._would_overflow(typed):
                    yield self._row_group()
                self._held.append(typed)
                self._held_rows += typed.num_rows
                self._held_bytes += typed.nbytes

    def finish(self) -> Iterator[Rows]:
        """The last row group; from now on the footer is known."""
        if self._held:
            yield self._row_group()
        if self._writer is not None:
            self._writer.close()
            self.ending = footer_of(self._sink.taken())

    def _would_overflow(self, typed: pa.RecordBatch) -> bool:
        rows, size = self._held_rows + typed.num_rows, self._held_bytes + typed.nbytes
        return bool(self._held) and (rows > ROW_GROUP_MAX_ROWS or size > ROW_GROUP_MAX_BYTES)

    def _row_group(self) -> Rows:
        if self._writer is None:
            self._writer = _opened(self._sink, self._layout)
            self._sink.taken()  # what a file begins with; the whole has it once
        table, count = pa.Table.from_batches(self._held), self._held_rows
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        self._writer.write_table(table, row_group_size=count)
        return Rows(memoryview(self._sink.taken()), count)


class _Sink:
    """A file that is taken away while it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        found, self._pieces = b"".join(self._pieces), []
        return found

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True


def _opened(sink: Any, layout: Layout) -> pq.ParquetWriter:
    columns = [(column.name, column.type) for column in layout.columns]
    columns += zip(layout.score_columns, layout.score_types, strict=True)
    return pq.ParquetWriter(
        sink,
        schema_of(layout),
        compression="zstd",
        compression_level=1,
        use_dictionary=[
            f"{name}{REPEATING_PATHS[kind]}" for name, kind in columns if kind in REPEATING_PATHS
        ],
        write_statistics=[name for name, kind in columns if kind in WITH_STATISTICS],
    )
