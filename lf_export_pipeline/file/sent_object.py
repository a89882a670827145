"""An object that has arrived in the bucket."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from lf_export_pipeline.core.ports import UploadedPart


@dataclass(frozen=True, slots=True)
class SentObject:
    """What was sent to the bucket, and arrived.

    Attributes:
        key: Of the object.
        bytes: How many there are.
        sha256: Of all of them, where it was made, in hexadecimal digits.
        sha256_of_parts: Of the SHA-256 of each ``part_bytes`` bytes, where that was made.
        part_bytes: The size of each part but the last.
    """

    key: str
    bytes: int
    sha256: str | None = None
    sha256_of_parts: str | None = None
    part_bytes: int | None = None


def sha256_of_parts(parts: Iterable[UploadedPart]) -> str:
    """The SHA-256 of those of the parts, as S3 makes it, in hexadecimal digits."""
    digests = b"".join(bytes.fromhex(part.sha256) for part in parts)
    return hashlib.sha256(digests).hexdigest()
