"""Where the rows of a chunk go, whoever has made them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from lf_export_pipeline.core.query.export_query import Chunk, SerializedChunk

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.compression import Compressor

Take = Callable[[memoryview], object]


class ChunkSink:
    """Compresses rows where that is wanted, counts the bytes, and hands them on.

    Args:
        take: Gets each piece; none is empty. It has to be done with a piece when it returns.
        compressor: What rows go through first.

    Attributes:
        size: How many bytes have been handed on.
        location: Where in the spool they are; empty: they are not there.
    """

    location = ""

    def __init__(self, take: Take, compressor: "Compressor | None" = None) -> None:
        self.size = 0
        self._take = take
        self._compressor = compressor
        self._has_rows = False

    @property
    def checksum(self) -> str:
        """Of the bytes in the spool."""
        return ""

    def write(self, piece: memoryview) -> None:
        """Hand on a piece."""
        if len(piece):
            self._has_rows = True
            compressor = self._compressor
            self._hand_on(memoryview(compressor.compress(piece)) if compressor else piece)

    def finish(self) -> None:
        """Hand on what the compressor has held back; of no rows there is nothing."""
        if self._compressor is not None and self._has_rows:
            self._hand_on(memoryview(self._compressor.flush()))

    def _hand_on(self, piece: memoryview) -> None:
        if len(piece):
            self.size += len(piece)
            self._take(piece)


class ChunkTarget(Protocol):
    """A file in the making, which takes its rows a chunk at a time."""

    def finished(self, index: int) -> SerializedChunk | None:
        """The chunk, if it was finished, perhaps by an earlier run."""
        ...

    def missing_before(self, index: int) -> Sequence[Chunk]:
        """The chunks that somebody has to make before this one."""
        ...

    def rows_of(
        self, index: int, compressor: "Compressor | None"
    ) -> AbstractContextManager[ChunkSink]:
        """Takes the rows of a chunk; when it is read again, those of before are void."""
        ...

    def finish(self, chunk: SerializedChunk) -> None:
        """The rows of the chunk are the right ones."""
        ...
