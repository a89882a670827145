"""The key of the object in the bucket, and the prefix that Langfuse's web app expects."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import BaseModel

from lf_export_pipeline.core.errors import AccessRefusedError
from lf_export_pipeline.core.ports import FileStore
from lf_export_pipeline.core.request import ExportRequest

_TAIL = re.compile(r"\d{13}-lf-[a-z_]+-export-[^/\\]+\.(csv|json|jsonl)")
_SEPARATOR = re.compile(r"[/\\%]")

MILLISECONDS_TRIED = 100_000
OBJECT = "object"
"""The name under which an attempt notes its ``ObjectKey``, before the first byte is sent."""


class ObjectKey(BaseModel):
    """The key that an attempt has chosen, kept so that a retry writes the same object again."""

    key: str


def free_key(
    request: ExportRequest, prefix: str, extension: str, files: FileStore, now: datetime
) -> str:
    """``<prefix><epoch ms>-lf-<table>-export-<project>.<ext>`` of an object that is not there yet.

    Langfuse: the key is unique by its millisecond alone. Two exports of a table that end together
    must not meet: the last three digits are the export's own, and a key that is taken is passed
    by. A project's id that an operator has chosen may hold a slash, which is percent-encoded: some
    services take a key for a path, and ``..`` in it for the folder above.
    """
    milliseconds = int(now.astimezone(UTC).timestamp()) * 1000 + _own_millisecond(request.export_id)
    project = _SEPARATOR.sub(lambda found: quote(found[0], safe=""), request.project_id)
    tail = f"-lf-{request.query.table}-export-{project}.{extension}"
    candidates = (f"{prefix}{milliseconds + later}{tail}" for later in range(MILLISECONDS_TRIED))
    return next(key for key in candidates if not is_taken(key, files))


def is_taken(key: str, files: FileStore) -> bool:
    """Whether an object is known to be there.

    AWS answers 403 instead of 404 to those who may not list the bucket. To those who may read it an
    object that is there is still shown, so that a refusal means that nothing is overwritten. Where
    nothing may be read, no download link works either, and the export fails as soon as it looks at
    what it has uploaded.
    """
    try:
        return files.head(key) is not None
    except AccessRefusedError:
        return False


def _own_millisecond(export_id: str) -> int:
    return sum(at * ord(letter) for at, letter in enumerate(export_id, start=1)) % 1000


def is_export_key(key: str, prefix: str) -> bool:
    """Whether a key is one that an export is given, below this prefix; nothing else is touched."""
    return key.startswith(prefix) and _TAIL.fullmatch(key.removeprefix(prefix)) is not None
