"""The key of the object in the bucket, and the prefix that Langfuse's web app expects."""

import hashlib
import re
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import BaseModel

from lf_export_pipeline.core.request.model import ExportFormat, ExportRequest
from lf_export_pipeline.core.request.options import Compression

_FORMATS = "|".join(known.lower() for known in ExportFormat)
_COMPRESSIONS = "|".join(re.escape(known.extension) for known in Compression)
_EXTENSION = re.compile(rf"\.((?:{_FORMATS})(?:{_COMPRESSIONS}))")
_TAIL = re.compile(rf"\d{{13}}-lf-[a-z_]+-export-[^/\\]+{_EXTENSION.pattern}")
_SEPARATORS = "/\\%"

PROJECT_MAX_CHARACTERS = 200  # a key holds 1,024 bytes, a character up to four
OBJECT = "object"
"""The name under which an attempt notes its ``ObjectKey``, before the first byte is sent."""


class ObjectKey(BaseModel):
    """The key that an attempt has chosen, kept so that a retry writes the same object again.

    ``bucket`` is the one that was set then; None: a note of an older version, of the one set now.
    That of a file that is made once more is kept as well, until the new file has its place;
    ``kept_until`` is when its own link expires.
    """

    key: str
    bucket: str | None = None
    kept_until: datetime | None = None

    def is_in(self, bucket: str, prefix: str) -> bool:
        """Whether the object has its place in this bucket, below this prefix."""
        return self.bucket in (None, bucket) and is_export_key(self.key, prefix)


def object_key(
    request: ExportRequest, prefix: str, extension: str, now: datetime, *, attempt: str
) -> str:
    """``<prefix><epoch ms>-lf-<table>-export-<project>-<attempt>.<ext>``.

    Langfuse's name, which is unique by its millisecond alone, and eight hexadecimal digits of the
    attempt: two uploads that begin in one millisecond must not meet, and the bucket shows neither
    to the other before it is finished.

    A project's id that an operator has chosen may hold a slash, which is percent-encoded: some
    services take a key for a path, and ``..`` in it for the folder above. So are characters that
    cannot be printed; of a long id only the beginning is there.

    Args:
        request: Names table and project.
        prefix: Put before the name as it is.
        extension: Of the format.
        now: The instant of the attempt.
        attempt: Says which attempt at which export it is, and no other says the same.
    """
    milliseconds = int(now.astimezone(UTC).timestamp() * 1000)
    digits = hashlib.sha256(attempt.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    name = _name(request.query.table, request.project_id)
    return f"{prefix}{milliseconds}{name}-{digits}.{extension}"


def _name(table: str, project_id: str) -> str:
    project = "".join(
        char
        if char.isprintable() and char not in _SEPARATORS
        else quote(char, safe="", errors="surrogatepass")
        for char in project_id
    )
    return f"-lf-{table}-export-{project[:PROJECT_MAX_CHARACTERS]}"


def is_key_of(key: str, prefix: str, table: str, project_id: str) -> bool:
    """Whether a key is one that an export of this table and project is given, here or by Langfuse.

    Langfuse's own has no digits of an attempt.
    """
    stem = key.removeprefix(prefix).removesuffix(f".{extension_of(key)}").lstrip("0123456789")
    name = _name(table, project_id)
    ours = re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", stem)
    return is_export_key(key, prefix) and (ours is not None or stem == name)


def extension_of(key: str) -> str:
    """What the name of an export's object ends with: ``csv``, ``jsonl.zst``; nothing for others."""
    found = re.search(rf"{_EXTENSION.pattern}\Z", key)
    return found[1] if found else ""


def is_export_key(key: str, prefix: str) -> bool:
    """Whether a key is one that an export is given, below this prefix; nothing else is touched."""
    return key.startswith(prefix) and _TAIL.fullmatch(key.removeprefix(prefix)) is not None
