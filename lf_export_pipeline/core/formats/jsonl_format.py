"""JSON Lines: one object per line."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lf_export_pipeline.core.formats.json_rows import JsonRows
from lf_export_pipeline.core.formats.text import Rows
from lf_export_pipeline.core.formats.writer import ChunkEnding, Layout, PlainChunk, writes
from lf_export_pipeline.core.request.model import ExportFormat


@writes(ExportFormat.JSONL)
class JsonlWriter(PlainChunk):
    """One object and LF per record, the last one included; stateless, its own chunk encoder."""

    content_type = "application/x-ndjson; charset=utf-8"
    extension = "jsonl"
    prefix = b""
    separator = b""
    empty = b""

    def __init__(self, layout: Layout) -> None:
        self._rows = JsonRows(layout)

    def end(self, endings: Sequence[ChunkEnding]) -> bytes:  # noqa: ARG002 - chunks leave none
        """Nothing."""
        return b""

    def encoder(self) -> "JsonlWriter":
        """This object: no row depends on the rows before it."""
        return self

    def rows(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        """The rows of a batch, each with its line end."""
        yield from self._rows.rows(batch, before="", after="\n")
