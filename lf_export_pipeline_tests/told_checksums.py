"""What is to be told of the bytes of a file, made from them and by nothing of the product's."""

import hashlib
from collections.abc import Mapping
from typing import Any


def checksums_of(data: bytes, told: Mapping[str, Any]) -> dict[str, Any]:
    """The checksums that a manifest has to have: of the whole, or else of its parts."""
    part_bytes = told.get("part_bytes")
    if part_bytes is None:
        whole = hashlib.sha256(data).hexdigest()
        return {"sha256": whole, "sha256_of_parts": None, "part_bytes": None}
    assert len(data) > part_bytes >= 5 << 20
    of_parts = sha256_of_parts(data, part_bytes)
    return {"sha256": None, "sha256_of_parts": of_parts, "part_bytes": part_bytes}


def sha256_of_parts(data: bytes, part_bytes: int) -> str:
    """As S3 makes it of parts of this size."""
    parts = [data[at : at + part_bytes] for at in range(0, len(data), part_bytes)]
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(digests).hexdigest()
