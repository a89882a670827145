"""A file whose chunks are kept as part files in the spool, until all of it is uploaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from lf_export_pipeline.core.query.export_query import Chunk, PartFile
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_sink import ChunkSink
from lf_export_pipeline.file.part_bytes import PartBytes

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.compression import Compressor


class PartFiles:
    """The chunks of a plan as part files; several processes may make them, in any order.

    Args:
        folder: The plan's.
        known: Parts that need not be looked for.
    """

    def __init__(self, folder: AttemptFolder, known: Sequence[PartFile] = ()) -> None:
        self._folder = folder
        self._known = {part.index: part for part in known if part.location}

    def finished(self, index: int) -> PartFile | None:
        """The part of a chunk, if it has been made."""
        return self._known.get(index) or self._folder.finished_part(index)

    def missing_before(self, _index: int) -> Sequence[Chunk]:
        """None that anybody has to make first."""
        return ()

    @contextmanager
    def rows_of(self, index: int, compressor: "Compressor | None") -> Iterator["PartFileSink"]:
        """Takes the rows of a chunk; the part file appears only if the context ends well."""
        with self._folder.create_part(index) as file:
            sink = PartFileSink(file, self._folder.part_location(index), compressor)
            yield sink
            sink.finish()

    def finish(self, part: PartFile) -> None:
        """Note what is known of a part; from now on it is a finished one."""
        self._folder.finish_part(part)
        self._known[part.index] = part


class PartFileSink(ChunkSink):
    """A part file that is being written.

    Attributes:
        location: Its path in the spool.
    """

    def __init__(self, file: BinaryIO, location: str, compressor: "Compressor | None") -> None:
        self.location = location
        self._bytes = PartBytes()
        super().__init__(partial(self._bytes.write, file), compressor)

    @property
    def checksum(self) -> str:
        """Of its bytes."""
        return self._bytes.checksum
