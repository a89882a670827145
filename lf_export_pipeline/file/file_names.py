"""What a browser calls the file that it saves."""

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from lf_export_pipeline.core.request.model import ExportRequest, ExportRow
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline.file.object_keys import extension_of

NAME_MAX_BYTES: Final = 180
"""File systems take 255; a browser may add a number and an ending of its own."""

_NOT_IN_NAMES: Final = re.compile(r'[<>:"/\\|?*%]')


def file_name(request: ExportRequest) -> str:
    """What the file of a request is saved as."""
    table = request.query.table
    return saved_name(request.name, table, request.created_at, request.extension)


def format_text(row: ExportRow) -> str:
    """The format of an export in words: that of its file, if it has one: ``CSV``, ``CSV (gzip)``.

    A file can be in another format than its row says, where a setting decides.
    """
    path = re.split(r"[?#]", row.url or "", maxsplit=1)[0]
    export_format, _, compression = extension_of(unquote(path)).partition(".")
    words = {known.extension.removeprefix("."): known.words for known in Compression}
    return (export_format.upper() or row.format) + words[compression]


def saved_name(name: str, table: str, created_at: datetime, extension: str) -> str:
    """``<name of the export>-<UTC date>.<extension>``: one name without a folder.

    The date is that of the request, which is also where its rows end. What file systems refuse in
    names becomes ``_``, and what cannot be seen is left out; an export whose name is nothing else
    is called by its table.
    """
    seen = "".join(character for character in name if character.isprintable())
    plain = _NOT_IN_NAMES.sub("_", seen).strip(" .")
    short = plain.encode()[:NAME_MAX_BYTES].decode(errors="ignore").strip(" .")
    date = created_at.astimezone(UTC).date().isoformat()
    return f"{short or table}-{date}.{extension}"
