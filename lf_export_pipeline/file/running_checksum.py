"""The size and checksum of bytes, while they are written and when they are read again."""

from dataclasses import dataclass
from typing import BinaryIO, cast

import xxhash

from lf_export_pipeline.core.ports import ByteSource


class RunningChecksum:
    """Counts and sums what goes through it, as it stands in the spool.

    The sum finds damage, which needs no cryptography: it is 128 bits of XXH3, at twenty times the
    speed of SHA-256. The finished file has a SHA-256 of its own.
    """

    def __init__(self) -> None:
        self.size = 0
        self._sum = xxhash.xxh3_128()

    @property
    def checksum(self) -> str:
        """Of everything so far, 32 hexadecimal digits."""
        return self._sum.hexdigest()

    def write(self, file: BinaryIO, piece: memoryview) -> None:
        """Append a piece to a file."""
        self.take(piece)
        file.write(piece)

    def read_from(self, file: BinaryIO) -> ByteSource:
        """What is left of a file, counted and summed as it is read."""
        return _Watched(self, cast("ByteSource", file))

    def take(self, piece: memoryview) -> None:
        """Count and sum a piece."""
        self.size += len(piece)
        self._sum.update(piece)


@dataclass(frozen=True, slots=True)
class _Watched:
    known: RunningChecksum
    file: ByteSource

    def readinto(self, buffer: memoryview, /) -> int:
        """How many of the file's next bytes stand in the buffer now."""
        length = self.file.readinto(buffer)
        self.known.take(buffer[:length])
        return length
