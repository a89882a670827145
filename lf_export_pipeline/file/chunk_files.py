"""A file whose chunks are files in the spool, until all of it is uploaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from lf_export_pipeline.core.query.export_query import Chunk, SerializedChunk
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_sink import ChunkSink
from lf_export_pipeline.file.running_checksum import RunningChecksum

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.compression import Compressor


class ChunkFiles:
    """The chunks of a plan as files; several processes may make them, in any order.

    Args:
        folder: The plan's.
        known: Chunks that need not be looked for.
    """

    def __init__(self, folder: AttemptFolder, known: Sequence[SerializedChunk] = ()) -> None:
        self._folder = folder
        self._known = {chunk.index: chunk for chunk in known if chunk.location}

    def finished(self, index: int) -> SerializedChunk | None:
        """What is known of a chunk, if it has been made."""
        return self._known.get(index) or self._folder.finished_chunk(index)

    def missing_before(self, _index: int) -> Sequence[Chunk]:
        """None that anybody has to make first."""
        return ()

    @contextmanager
    def rows_of(self, index: int, compressor: "Compressor | None") -> Iterator["ChunkFileSink"]:
        """Takes the rows of a chunk; its file appears only if the context ends well."""
        with self._folder.create_chunk(index) as file:
            sink = ChunkFileSink(file, self._folder.chunk_location(index), compressor)
            yield sink
            sink.finish()

    def finish(self, chunk: SerializedChunk) -> None:
        """Note what is known of a chunk; from now on it is a finished one."""
        self._folder.finish_chunk(chunk)
        self._known[chunk.index] = chunk


class ChunkFileSink(ChunkSink):
    """The file of a chunk that is being written.

    Attributes:
        location: Its path in the spool.
    """

    def __init__(self, file: BinaryIO, location: str, compressor: "Compressor | None") -> None:
        self.location = location
        self._bytes = RunningChecksum()
        super().__init__(partial(self._bytes.write, file), compressor)

    @property
    def checksum(self) -> str:
        """Of its bytes."""
        return self._bytes.checksum
