"""What a bucket tells of objects and of uploads that are on their way."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the bucket reports it."""

    key: str
    size: int
    content_type: str | None
    etag: str = field(default="", compare=False)
    """What changes with its bytes, as the bucket tells it; no two services make it in one way."""


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """An object that was written, proven to be there.

    Attributes:
        sha256: Of its bytes, in hexadecimal digits.
        size: In bytes.
        etag: That of these bytes, which are no longer there if the bucket tells another one.
    """

    sha256: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class IncompleteUpload:
    """Parts of an object that has not been finished; the bucket bills them."""

    key: str
    upload_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class BegunUpload:
    """An upload in parts that the bucket's service has begun; small, so that it can be noted.

    Attributes:
        key: Of the object.
        upload_id: The service's name for it.
        mark: Stored with the object, which tells it from any other one under the key.
        is_told: Whether the service is told the checksum of each part.
    """

    key: str
    upload_id: str
    mark: str
    is_told: bool


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part, or an object that is put at once, when the service has taken it.

    Attributes:
        number: Its place in the object, from 1.
        etag: The service's name for it, without quotes.
        sha256: Of its bytes, in hexadecimal digits.
        is_proven: Whether the service has answered with a checksum of these bytes.
    """

    number: int
    etag: str
    sha256: str
    is_proven: bool


def sum_of_parts(parts: Iterable[UploadedPart]) -> bytes:
    """The SHA-256 of those of the parts, which S3 gives the object of them."""
    return hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in parts)).digest()
