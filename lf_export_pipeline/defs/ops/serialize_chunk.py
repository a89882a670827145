"""Reads the rows of some chunks, one after the other, into the bucket or the spool."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.export_query import (
    Chunk,
    ChunkList,
    ExportPlan,
    ExportQuery,
    RowsBy,
    SerializedChunk,
    rows_by,
)
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.defs.ops.attempts import CLICKHOUSE_POOL, Attempt, Attempts
from lf_export_pipeline.defs.progress_format import MEGABYTE, format_progress, per_second
from lf_export_pipeline.file.assembled_file import writer_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_reading import ChunkReader, Keys, RowsLeft
from lf_export_pipeline.file.chunk_sink import ChunkSink, ChunkTarget
from lf_export_pipeline.file.preview import PREVIEW, PREVIEW_ROWS, preview_of
from lf_export_pipeline.file.write_behind import write_behind
from lf_export_pipeline.file.written_chunk import WrittenChunk, written_layout

if TYPE_CHECKING:
    import pyarrow as pa

    from lf_export_pipeline.core.formats import ChunkEncoder, FormatWriter
    from lf_export_pipeline.core.formats.compression import Compressor
    from lf_export_pipeline.core.formats.text import Rows
    from lf_export_pipeline.core.formats.writer import Layout

READINGS_MAX = 3
KEY_BYTES = 8
LAG_SECONDS = 3.0  # what a replica of ClickHouse is usually behind the others, and some more


@dg.op(pool=CLICKHOUSE_POOL)
def serialize_chunk(
    context: dg.OpExecutionContext,
    plan: ExportPlan,
    chunks: ChunkList,
    *,
    attempts: dg.ResourceParam[Attempts],
    reader: dg.ResourceParam[RowReader],
) -> dg.Output[list[SerializedChunk]]:
    """Writes each chunk, unless an earlier run or try has; then it is only named.

    If the export was stopped there are fewer, but an output all the same: Dagster would skip
    ``upload_file`` if it got none, and that is what cleans up.
    """
    serialized: list[SerializedChunk] = []
    with attempts.running(context, keeps_files=True) as attempt:
        rows = attempt.chunk_reader(reader)
        attempt.require_running()
        with attempt.file(plan) as file:
            for chunk in (*file.missing_before(chunks.chunks[0].index), *chunks.chunks):
                attempt.require_running()
                made = serialized_chunk(chunk, plan.query, rows, file, attempt)
                context.log.info(format_progress(chunk, made.seconds))
                file.offer(chunk, made)
            serialized += filter(None, (file.finished(chunk.index) for chunk in chunks.chunks))
    return dg.Output(serialized, metadata=_metadata(serialized) if serialized else {})


def serialized_chunk(
    chunk: Chunk, query: ExportQuery, rows: ChunkReader, file: ChunkTarget, attempt: Attempt
) -> SerializedChunk:
    """The chunk as an earlier run has finished it, or else as it is read now."""
    finished = file.finished(chunk.index)
    if finished is not None:
        return finished
    folder, settings = AttemptFolder(attempt.spool, chunk.folder), attempt.settings
    writer, preview = writer_of(query), settings.lf_export_preview
    layout = written_layout(query, settings, rows)
    making = ChunkWriter(
        rows, writer, query, chunk, folder, file=file, preview=preview, layout=layout
    )
    serialized = making.verified()
    file.finish(serialized)
    return serialized


@dataclass(frozen=True, slots=True)
class _Made:
    """What is known of the rows of a chunk, beside their bytes."""

    rows: int
    by: RowsBy
    ending: bytes = b""
    unfit: Mapping[str, int] = field(default_factory=dict)


class ChunkWriter:
    """Writes one chunk."""

    def __init__(
        self,
        rows: ChunkReader,
        writer: "FormatWriter",
        query: ExportQuery,
        chunk: Chunk,
        folder: AttemptFolder,
        *,
        file: ChunkTarget,
        preview: bool,
        layout: "Layout | None" = None,
    ) -> None:
        """A chunk to be written.

        Args:
            rows: Reads it.
            writer: Of the format.
            query: The export's.
            chunk: Which one.
            folder: The plan's; the keys are there.
            file: Takes the rows.
            preview: Whether to show the first rows.
            layout: How ClickHouse is to write the rows; None: they are serialised here.
        """
        self._rows = rows
        self._layout = layout
        self._writer = writer
        self._query = query
        self._chunk = chunk
        self._folder = folder
        self._file = file
        self._preview = preview and chunk.index == 0

    def verified(self) -> SerializedChunk:
        """The chunk, with every row of the plan that was not deleted meanwhile.

        Rows may vanish between the scan and the reading (a deletion in Langfuse), and more of them
        while a chunk is read again. So a chunk may be short, as long as it is not shorter than what
        is counted after it was read, now and when a replica that lags has had time to catch up, by
        a server that knows what the scan's server knew.

        Raises:
            TransientError: The number of rows is not to be explained like that.
        """
        for _ in range(READINGS_MAX):
            made = self._write()
            if made.rows == made.expected_rows:
                return made
            left = self._rows_left()
            if left.rows <= made.rows < made.expected_rows:
                time.sleep(LAG_SECONDS)
                left = self._rows_left()
            if left.rows <= made.rows < made.expected_rows and not left.lags:
                return made
        lags = ", on a server that lags behind the one that was scanned" if left.lags else ""
        raise TransientError(
            f"Chunk {made.index} gave {made.rows:,} of {made.expected_rows:,} rows, "
            f"and {left.rows:,} are there{lags}."
        )

    def _rows_left(self) -> RowsLeft:
        return self._rows.rows_left(self._query, self._chunk, self._keys())

    def _write(self) -> SerializedChunk:
        started = time.monotonic()
        index = self._chunk.index
        with self._file.rows_of(index, self._new_compressor()) as sink:
            made = self._written_by_clickhouse(sink) or self._serialised(sink)
        if made.by is RowsBy.CLICKHOUSE:
            self._show_first_rows()
        return SerializedChunk(
            index=index,
            rows=made.rows,
            bytes=sink.size,
            checksum=sink.checksum,
            location=sink.location,
            expected_rows=self._chunk.rows,
            seconds=time.monotonic() - started,
            rows_by=made.by,
            ending=self._folder.write_ending(index, made.ending) if made.ending else None,
            unfit=dict(made.unfit),
        )

    def _written_by_clickhouse(self, sink: ChunkSink) -> _Made | None:
        """What the sink has taken; None if ClickHouse cannot write this chunk's rows."""
        if self._layout is None:
            return None
        chunk = WrittenChunk(self._rows, self._query, self._chunk, self._keys())
        with chunk.rows(self._layout) as written:
            if written is None:
                return None
            for buffer in written.buffers:
                sink.write(buffer)
            return _Made(written.rows, RowsBy.CLICKHOUSE)

    def _serialised(self, sink: ChunkSink) -> _Made:
        encoder, rows = self._writer.encoder(), 0
        with self._batches(self._keys()) as batches, write_behind(sink.write) as write:
            for piece in self._pieces(encoder, batches):
                write(piece.data)
                rows += piece.count
        return _Made(rows, RowsBy.ARROW, encoder.ending, encoder.unfit)

    def _pieces(
        self, encoder: "ChunkEncoder", batches: "Iterator[pa.RecordBatch]"
    ) -> "Iterator[Rows]":
        rows = 0
        for batch in batches:
            self._show(batch, rows)
            rows += batch.num_rows
            yield from encoder.rows(batch)
        yield from encoder.finish()

    def _new_compressor(self) -> "Compressor | None":
        # Imported late: with it comes Arrow, which the daemon and the web server never need.
        from lf_export_pipeline.core.formats.compression import new_compressor  # noqa: PLC0415

        return new_compressor(self._query.request.compression)

    def _batches(self, keys: Keys) -> "AbstractContextManager[Iterator[pa.RecordBatch]]":
        return self._rows.batches(self._query, self._chunk, keys)

    def _keys(self) -> Keys:
        statement = self._query.chunk_rows
        if statement is not None and statement.store is Store.POSTGRES:
            return self._folder.read_text_keys(self._chunk.index)
        return self._folder.read_packed_keys(self._chunk.index)

    def _show_first_rows(self) -> None:
        """Reads the first rows again, for the preview alone."""
        if self._preview:
            first = self._keys()[: PREVIEW_ROWS * KEY_BYTES]
            with self._batches(first) as batches:
                for batch in batches:
                    self._show(batch, 0)

    def _show(self, batch: "pa.RecordBatch", rows_before: int) -> None:
        if self._preview and not rows_before and batch.num_rows:
            self._folder.write(PREVIEW, preview_of(batch, self._query.columns))


def _metadata(chunks: Sequence[SerializedChunk]) -> dict[str, int | float | str]:
    rows, size = sum(chunk.rows for chunk in chunks), sum(chunk.bytes for chunk in chunks)
    seconds = sum(chunk.seconds for chunk in chunks)
    return {
        "chunks": len(chunks),
        "rows": rows,
        "bytes": size,
        "seconds": round(seconds, 3),
        "rows_per_second": round(per_second(rows, seconds)),
        "megabytes_per_second": round(per_second(size / MEGABYTE, seconds), 1),
        "vanished_rows": sum(chunk.expected_rows - chunk.rows for chunk in chunks),
        "rows_by": rows_by(chunks),
    }
