"""Puts the parts of a file together as the upload does."""

from collections.abc import Iterable

import pyarrow as pa

from lf_export_pipeline.core.formats import FormatWriter


def part_bytes(writer: FormatWriter, batches: Iterable[pa.RecordBatch]) -> bytes:
    """One part, from one encoder."""
    encoder = writer.part()
    return b"".join(bytes(piece.data) for batch in batches for piece in encoder.rows(batch))


def file_bytes(writer: FormatWriter, parts: Iterable[Iterable[pa.RecordBatch]]) -> bytes:
    """The whole file: parts without a row are left out, a file without a row is ``empty``."""
    contents = [content for part in parts if (content := part_bytes(writer, part))]
    if not contents:
        return writer.empty
    return writer.prefix + writer.separator.join(contents) + writer.suffix
