"""What is told about an export that has ended, and the port of those who tell it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from urllib.parse import quote

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.file_names import format_text

KIBIBYTE, MEBIBYTE, GIBIBYTE = 1 << 10, 1 << 20, 1 << 30


class Occasion(Enum):
    """Why somebody is told."""

    READY = "ready"
    FAILED = "failed"
    PAUSED = "paused"  # a standing export, by its failures


@dataclass(frozen=True, slots=True)
class Notification:
    """An export that has ended, or a standing export that has paused itself.

    Attributes:
        occasion: How it has ended.
        row: As it is now. Its link is a secret. Of a standing export that of the export that it
            makes again, under its name and with the reason in ``log``.
        rows: In the file; None: not known, or there is none.
        size: Of the file, in bytes; as ``rows``.
    """

    occasion: Occasion
    row: ExportRow
    rows: int | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        """The export's name on one line."""
        return " ".join(self.row.name.split())

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What both the user and an operator want to know, as labels and texts; no secret."""
        row = self.row
        found = [
            ("Table", (row.table or "unknown").replace("_", " ")),
            ("Project", row.project_id),
            ("Format", format_text(row)),
        ]
        if self.rows is not None:
            found.append(("Rows", f"{self.rows:,}"))
        if self.size is not None:
            found.append(("Size", size_text(self.size)))
        if self.occasion is Occasion.READY and row.expires_at is not None:
            found.append(("Available until", instant_text(row.expires_at)))
        if self.occasion is Occasion.FAILED:
            found.append(("Requested", instant_text(row.created_at)))
        return found


class Channel(Protocol):
    """A way to tell somebody that an export has ended.

    To add one: a class like this, a tag of its own in ``lifecycle.notices``, a line in
    ``outbox.open_channels``.
    """

    name: str
    """As logs call it."""

    tag: str
    """The tag of runs that holds the state of its notices."""

    def wants(self, occasion: Occasion) -> bool:
        """Whether it is set up, and for this occasion."""
        ...

    def send(self, notification: Notification) -> None:
        """Hand one notification over.

        Raises:
            AnswerLostError: It may have arrived.
            MessageDeferredError: This one cannot be taken for now.
            TransientError: None can be taken for now.
            ConfigurationError: None can be taken until an operator changes a setting.
            PermanentError: This one will never be taken, or there is nobody to take it.
        """
        ...


def exports_link(nextauth_url: str | None, project_id: str) -> str | None:
    """The project's exports page, which makes a fresh download link for whoever may see it.

    Langfuse: the address is used as it is, a slash at its end included.
    """
    if not nextauth_url:
        return None
    return f"{nextauth_url}/project/{quote(project_id, safe='')}/settings/exports"


def size_text(size: int) -> str:
    """``1.2 MiB``; the unit is the largest that there is one of, up to GiB."""
    if size < KIBIBYTE:
        return f"{size} bytes"
    for unit, name in ((GIBIBYTE, "GiB"), (MEBIBYTE, "MiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / KIBIBYTE:,.1f} KiB"


def instant_text(instant: datetime) -> str:
    """``2031-02-20 14:05 UTC``."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"
