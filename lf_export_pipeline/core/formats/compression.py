"""Files of text, compressed: each chunk on its own, as chunks are made in any order.

The members of a gzip file and the frames of a zstd file may follow each other (RFC 1952, 2.2; RFC
8878, 3): what is read of them is what was written into them, one after the other. So the pieces
that a format puts around its chunks are members of their own.
"""

import zlib
from collections.abc import Sequence
from typing import Final, Protocol

import zstandard

from lf_export_pipeline.core.formats.writer import ChunkEncoder, ChunkEnding, FormatWriter
from lf_export_pipeline.core.request.options import Compression

_CONTENT_TYPES: Final = {
    Compression.GZIP: "application/gzip",
    Compression.ZSTD: "application/zstd",
}
"""RFC 6713 and RFC 8878. A ``Content-Encoding`` would have browsers undo it under the same name."""

_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31  # the largest window, with the header and the checksum of gzip


class Compressor(Protocol):
    """One member or frame that is being written."""

    def compress(self, data: memoryview, /) -> bytes:
        """What there is to write after this piece; often nothing yet."""
        ...

    def flush(self) -> bytes:
        """The rest, with what ends the member; nothing follows."""
        ...


def new_compressor(compression: Compression) -> Compressor | None:
    """A compressor of level 1; None where bytes stay as they are.

    Higher levels take a multiple of the time that the rows themselves take, for a tenth less bytes.
    """
    match compression:
        case Compression.NONE:
            return None
        case Compression.GZIP:
            return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        case Compression.ZSTD:
            return zstandard.ZstdCompressor(_LEVEL).compressobj()


class CompressedWriter:
    """A format whose file is compressed: all but the rows of its chunks.

    Those are encoded as ever, and compressed where they are written, whoever has made them.
    """

    def __init__(self, writer: FormatWriter, compression: Compression) -> None:
        self._writer = writer
        self._compression = compression
        self.content_type = _CONTENT_TYPES[compression]
        self.extension = writer.extension + compression.extension

    @property
    def prefix(self) -> bytes:
        """The format's, as a member of its own."""
        return self._member(self._writer.prefix)

    @property
    def separator(self) -> bytes:
        """The format's, as a member of its own."""
        return self._member(self._writer.separator)

    def end(self, endings: Sequence[ChunkEnding]) -> bytes:
        """The format's, as a member of its own; it knows no places in what is compressed."""
        return self._member(self._writer.end(endings))

    @property
    def empty(self) -> bytes:
        """The file without rows: a member even if there is nothing in it, or it would not open."""
        return self._member(self._writer.empty) or self._written(b"")

    def encoder(self) -> ChunkEncoder:
        """The format's encoder; its bytes are not compressed yet."""
        return self._writer.encoder()

    def _member(self, data: bytes) -> bytes:
        return self._written(data) if data else b""

    def _written(self, data: bytes) -> bytes:
        compressor = new_compressor(self._compression)
        return (
            data
            if compressor is None
            else compressor.compress(memoryview(data)) + compressor.flush()
        )
