"""An object that has arrived in the bucket."""

from dataclasses import dataclass


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
