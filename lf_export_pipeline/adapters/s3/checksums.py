"""Whether a bucket holds what was sent to it, by the checksums that S3 itself gives an object.

S3: an ETag is the MD5 of an object that was put at once. The ETag and the SHA-256 of one that was
uploaded in parts are made of those of its parts, with their number behind a hyphen. Encryption with
a key of KMS, and some compatible services, give ETags of another kind, and not every service knows
SHA-256: a value that differs proves nothing, one that is equal does.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lf_export_pipeline.adapters.s3.part_buffers import Part


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part, or an object that is put at once, when the service has taken it.

    Attributes:
        number: Its place in the object, from 1.
        etag: The service's name for it, without quotes.
        sha256: Of its bytes; None where the service was not told.
        is_proven: Whether the service has answered with a checksum of these bytes.
    """

    number: int
    etag: str
    sha256: bytes | None
    is_proven: bool

    @classmethod
    def answered(
        cls, number: int, part: Part, answer: Mapping[str, str], *, is_told: bool
    ) -> "SentPart":
        """MD5 costs more than all the rest, so it is made only if nothing else proves the part.

        Args:
            number: Its place.
            part: What was sent.
            answer: ``ETag`` and ``ChecksumSHA256``, where the service has answered with them.
            is_told: Whether it was sent the checksum.
        """
        etag = answer.get("ETag", "").strip('"')
        is_proven = answer.get("ChecksumSHA256") == encoded(part.sha256) or etag == _md5(part)
        return cls(number, etag, part.sha256 if is_told else None, is_proven)


def encoded(digest: bytes) -> str:
    """A digest as S3's headers have it."""
    return base64.b64encode(digest).decode()


def etag_of(parts: Sequence[SentPart]) -> str | None:
    """The ETag of an object of these parts; None if theirs are no checksums."""
    try:
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def sha256_of(parts: Sequence[SentPart]) -> str | None:
    """The SHA-256 that S3 gives an object of these parts; None if theirs are not known."""
    digests = [part.sha256 for part in parts if part.sha256 is not None]
    if len(digests) < len(parts):
        return None
    return f"{encoded(hashlib.sha256(b''.join(digests)).digest())}-{len(parts)}"


def _md5(part: Part) -> str:
    return hashlib.md5(part.data, usedforsecurity=False).hexdigest()
