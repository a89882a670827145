"""JSON: one array of objects without white space."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lf_export_pipeline.core.formats.json_rows import JsonRows
from lf_export_pipeline.core.formats.text import Rows
from lf_export_pipeline.core.formats.writer import ChunkEnding, Layout, PlainChunk, writes
from lf_export_pipeline.core.request.model import ExportFormat


@writes(ExportFormat.JSON)
class JsonWriter:
    """All records as elements of one array. Langfuse: no line end after the last bracket."""

    content_type = "application/json; charset=utf-8"
    extension = "json"
    prefix = b"["
    separator = b","
    empty = b"[]"

    def __init__(self, layout: Layout) -> None:
        self._rows = JsonRows(layout)

    def end(self, endings: Sequence[ChunkEnding]) -> bytes:  # noqa: ARG002 - chunks leave none
        """The last bracket."""
        return b"]"

    def encoder(self) -> "JsonChunk":
        """An encoder that knows whether it has written a row yet."""
        return JsonChunk(self._rows)


class JsonChunk(PlainChunk):
    """The elements of one chunk, joined by commas also across its batches."""

    def __init__(self, rows: JsonRows) -> None:
        self._rows = rows
        self._is_first = True

    def rows(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        """The elements of a batch; each but the first of the chunk has its comma before it."""
        for piece in self._rows.rows(batch, before=",", after=""):
            yield Rows(piece.data[1:], piece.count) if self._is_first else piece
            self._is_first = False
