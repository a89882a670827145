"""Puts the parts of a file together as the upload does."""

from collections.abc import Iterable

import pyarrow as pa

from lf_export_pipeline.core.formats import FormatWriter
from lf_export_pipeline.core.formats.writer import ChunkEnding


def chunk_of(writer: FormatWriter, batches: Iterable[pa.RecordBatch]) -> tuple[bytes, bytes]:
    """The bytes of one part, from one encoder, and what it leaves for the end of the file."""
    encoder = writer.encoder()
    pieces = [bytes(piece.data) for batch in batches for piece in encoder.rows(batch)]
    pieces += [bytes(piece.data) for piece in encoder.finish()]
    return b"".join(pieces), encoder.ending


def part_bytes(writer: FormatWriter, batches: Iterable[pa.RecordBatch]) -> bytes:
    """The bytes of one part."""
    return chunk_of(writer, batches)[0]


def file_bytes(writer: FormatWriter, parts: Iterable[Iterable[pa.RecordBatch]]) -> bytes:
    """The whole file: parts without a row are left out, a file without a row is ``empty``."""
    made = [found for part in parts if (found := chunk_of(writer, part))[0]]
    if not made:
        return writer.empty
    data, endings = writer.prefix, []
    for at, (content, ending) in enumerate(made):
        data += writer.separator if at else b""
        endings.append(ChunkEnding(len(data), ending))
        data += content
    return data + writer.end(endings)
