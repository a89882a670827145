"""The file as it is uploaded: the chunks in order, with what the format puts around them."""

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lf_export_pipeline.core.ports import ByteSource, Spool
from lf_export_pipeline.core.query.export_query import ExportQuery, SerializedChunk
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline.file.running_checksum import RunningChecksum
from lf_export_pipeline.file.spooled_bytes import read_kept, require_unchanged

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats import FormatWriter
    from lf_export_pipeline.core.formats.writer import Layout


def writer_of(query: ExportQuery) -> "FormatWriter":
    """The writer of this export's file, the same one for its chunks and for what is around them."""
    # Imported late: with it comes Arrow, which the daemon and the web server never need.
    from lf_export_pipeline.core.formats import format_writer  # noqa: PLC0415
    from lf_export_pipeline.core.formats.compression import CompressedWriter  # noqa: PLC0415

    layout = layout_of(query)
    plain = format_writer(
        query.request.format,
        layout.columns,
        layout.score_columns,
        layout.csv,
        layout.score_types,
    )
    compression = query.request.compression
    return plain if compression is Compression.NONE else CompressedWriter(plain, compression)


def layout_of(query: ExportQuery) -> "Layout":
    """The columns of this export's file, and how it differs from what Langfuse writes."""
    from lf_export_pipeline.core.formats.writer import Layout  # noqa: PLC0415

    return Layout(query.columns, query.score_columns, query.request.csv, query.score_types)


def size_of(writer: "FormatWriter", chunks: Iterable[SerializedChunk], spool: Spool) -> int:
    """The bytes of the whole, known before any chunk is read; only their endings are.

    Raises:
        TransientError: An ending is not what was written.
    """
    filled = [chunk for chunk in chunks if chunk.rows]
    end = len(end_of(writer, filled, spool))
    if not filled:
        return end
    between = len(writer.separator) * (len(filled) - 1)
    return len(writer.prefix) + sum(chunk.bytes for chunk in filled) + between + end


class AssembledFile:
    """The whole from its beginning, to be read once: its size does not matter."""

    def __init__(
        self, writer: "FormatWriter", chunks: Iterable[SerializedChunk], spool: Spool
    ) -> None:
        self._files = _files(writer, chunks, spool)
        self._file: ByteSource = io.BytesIO()

    def readinto(self, buffer: memoryview, /) -> int:
        """How many of the next bytes stand in the buffer now; 0 at the end.

        Raises:
            TransientError: A chunk is not what was written.
        """
        while not (length := self._file.readinto(buffer)):
            following = next(self._files, None)
            if following is None:
                return 0
            self._file = following
        return length


def _files(
    writer: "FormatWriter", chunks: Iterable[SerializedChunk], spool: Spool
) -> Iterator[ByteSource]:
    """Each is read to its end before the next one is asked for."""
    filled: list[SerializedChunk] = []
    for chunk in chunks:
        if chunk.rows:
            yield io.BytesIO(writer.separator if filled else writer.prefix)
            yield from _checked(chunk, spool)
            filled.append(chunk)
    yield io.BytesIO(end_of(writer, filled, spool))


def end_of(writer: "FormatWriter", chunks: Iterable[SerializedChunk], spool: Spool) -> bytes:
    """What stands behind the rows; of a file without any, all of it.

    Raises:
        TransientError: An ending is not what was written.
    """
    # With it come the column kernels, which the daemon and the web server never need.
    from lf_export_pipeline.core.formats.writer import ChunkEnding  # noqa: PLC0415

    endings, begins_at = [], len(writer.prefix)
    for chunk in chunks:
        if chunk.rows:
            endings.append(ChunkEnding(begins_at, _ending(chunk, spool)))
            begins_at += chunk.bytes + len(writer.separator)
    return writer.end(endings) if endings else writer.empty


def _ending(chunk: SerializedChunk, spool: Spool) -> bytes:
    return b"" if chunk.ending is None else read_kept(spool, chunk.ending)


def _checked(chunk: SerializedChunk, spool: Spool) -> Iterator[ByteSource]:
    found = RunningChecksum()
    with spool.open(chunk.location) as file:
        yield found.read_from(file)
    require_unchanged(found, chunk.checksum, chunk.location)
