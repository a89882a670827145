"""Whether a bucket holds what was sent to it, by the checksum that S3 itself gives an object."""

import hashlib
from collections.abc import Iterable
from typing import Any

Digest = Any  # hashlib gives its objects no public type


class PartsChecksum:
    """The ETag of an object in the making: MD5 of its bytes, or of the MD5s of its parts.

    S3: an object that was put at once has the first, one that was uploaded in parts the second,
    with the number of parts behind a hyphen. Encryption with a key of KMS, and some compatible
    services, give ETags of another kind: one that differs proves nothing, one that is equal does.
    """

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._finished: list[bytes] = []
        self._part: Digest = hashlib.md5(usedforsecurity=False)
        self._filled = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes, cut wherever it pleases the caller."""
        view = memoryview(data)
        while view:
            piece = view[: self._part_bytes - self._filled]
            self._part.update(piece)
            self._filled += len(piece)
            view = view[len(piece) :]
            if self._filled == self._part_bytes:
                self._finish_part()

    @property
    def etag(self) -> str:
        """What the object is called if all of it has arrived; without quotes."""
        if not self._finished:
            return str(self._part.hexdigest())
        digests = [*self._finished, *([self._part.digest()] if self._filled else [])]
        whole = hashlib.md5(b"".join(digests), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(digests)}"

    def is_of(self, pieces: Iterable[bytes]) -> bool:
        """Whether these pieces make the same object."""
        other = PartsChecksum(self._part_bytes)
        for piece in pieces:
            other.update(piece)
        return other.etag == self.etag

    def _finish_part(self) -> None:
        self._finished.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._filled = 0
