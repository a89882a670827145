"""Whether a bucket holds what was sent to it, by the checksums that S3 itself gives an object.

S3: an ETag is the MD5 of an object that was put at once. The ETag and the SHA-256 of one that was
uploaded in parts are made of those of its parts, with their number behind a hyphen. Encryption with
a key of KMS, and some compatible services, give ETags of another kind, and not every service knows
SHA-256: a value that differs proves nothing, one that is equal does.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from lf_export_pipeline.adapters.s3.part_buffers import Part
from lf_export_pipeline.core.stored_objects import UploadedPart, sum_of_parts


def answered(number: int, part: Part, answer: Mapping[str, str]) -> UploadedPart:
    """The part as the service has taken it.

    MD5 costs more than all the rest, so it is made only if nothing else proves the part.

    Args:
        number: Its place.
        part: What was sent.
        answer: ``ETag`` and ``ChecksumSHA256``, where the service has answered with them.
    """
    etag = answer.get("ETag", "").strip('"')
    is_proven = answer.get("ChecksumSHA256") == encoded(part.sha256) or etag == _md5(part)
    return UploadedPart(number, etag, part.sha256.hex(), is_proven)


def encoded(digest: bytes) -> str:
    """A digest as S3's headers have it."""
    return base64.b64encode(digest).decode()


def etag_of(parts: Sequence[UploadedPart]) -> str | None:
    """The ETag of an object of these parts; None if theirs are no checksums."""
    try:
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def sha256_of(parts: Sequence[UploadedPart]) -> str:
    """The SHA-256 that S3 gives an object of these parts."""
    return f"{encoded(sum_of_parts(parts))}-{len(parts)}"


def _md5(part: Part) -> str:
    return hashlib.md5(part.data, usedforsecurity=False).hexdigest()
