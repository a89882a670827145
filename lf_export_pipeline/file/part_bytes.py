"""What is known of a part's bytes, while they are written and when they are read again."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import xxhash


class PartBytes:
    """Counts and sums what goes through it.

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
        self._take(piece)
        file.write(piece)

    def read(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces."""
        for piece in pieces:
            self._take(piece)
            yield piece

    def _take(self, piece: bytes | memoryview) -> None:
        self.size += len(piece)
        self._sum.update(piece)
