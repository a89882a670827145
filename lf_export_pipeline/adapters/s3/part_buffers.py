"""The memory of an upload: a few buffers of the size of a part, filled and sent in turns."""

import hashlib
import queue
from collections.abc import Iterator
from dataclasses import dataclass

from lf_export_pipeline.core.ports import ByteSource

SUMMED_AT_ONCE = 1024 * 1024
"""What is read is summed while the processor still has it at hand."""

SENT_AT_ONCE = 256 * 1024
"""A time-out is that of one piece, not of a part, which takes minutes on a slow line."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes in a buffer, and their SHA-256."""

    data: memoryview
    sha256: bytes


class PartBuffers:
    """Cuts a source of bytes into parts.

    A buffer is used again when it is given back: fresh memory would cost more than to fill it.

    Args:
        source: The bytes of the object.
        part_bytes: The size of each part but the last.
        most: How many buffers there are at the same time.

    Attributes:
        part_bytes: The same.
        bytes_taken: How many bytes have been handed out.
    """

    def __init__(self, source: ByteSource, part_bytes: int, most: int) -> None:
        self.part_bytes = part_bytes
        self.bytes_taken = 0
        self._source = source
        self._left = most
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all bytes that have been handed out, in hexadecimal digits."""
        return self._sha256.hexdigest()

    def filled(self) -> Iterator[Part]:
        """Each part; waits for a buffer to be given back. The first is there even if it is empty.

        What the source raises is raised here.
        """
        length = self.part_bytes
        while length == self.part_bytes:
            part = self._filled(self._buffer())
            length = len(part.data)
            if length or not self.bytes_taken:
                self.bytes_taken += length
                yield part

    def give_back(self, part: Part) -> None:
        """Let the buffer of this part be filled anew."""
        self._free.put(memoryview(part.data.obj))

    def _buffer(self) -> memoryview:
        if self._left and self._free.empty():
            self._left -= 1
            return memoryview(bytearray(self.part_bytes))
        return self._free.get()

    def _filled(self, buffer: memoryview) -> Part:
        at, sha256 = 0, hashlib.sha256()
        while room := buffer[at : at + SUMMED_AT_ONCE]:
            taken = self._source.readinto(room)
            if not taken:
                break
            sha256.update(room[:taken])
            self._sha256.update(room[:taken])
            at += taken
        return Part(buffer[:at], sha256.digest())


class PartBody:
    """A part as the file that botocore sends, which gives what is in the buffer and no copy of it.

    A client asks for 16 KiB at a time and takes what it gets: larger pieces are fewer calls.

    Attributes:
        sha256: Of all its bytes.
    """

    def __init__(self, part: Part) -> None:
        self.sha256 = part.sha256
        self._data = part.data
        self._at = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> memoryview:
        """The next bytes, as a view; with a size at least as many, if there are."""
        wanted = len(self._data) if size < 0 else max(size, SENT_AT_ONCE)
        piece = self._data[self._at : self._at + wanted]
        self._at += len(piece)
        return piece

    def seek(self, offset: int) -> None:
        """Go to a place: a request that is repeated begins anew."""
        self._at = offset

    def tell(self) -> int:
        """Where the next byte is."""
        return self._at
