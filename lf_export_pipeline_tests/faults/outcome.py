"""What is there when an export has ended."""

import hashlib
import urllib.request
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.local.services.seaweedfs import BUCKET


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is there when everything has been repaired.

    Attributes:
        row: As it is in Langfuse's database; None if it is gone.
        sha256: Of what the row's link downloads.
        mails: How many e-mails about the export the inbox holds.
        objects: The keys that the bucket has gained.
        uploads: The keys of uploads that were begun and not ended.
        spooled: The files that are left in the spool.
        steps: The op that was at work when each run but the last one ended.
        repairs: What was done after the first run.
    """

    row: ExportRow | None
    sha256: str | None
    mails: int
    objects: tuple[str, ...]
    uploads: tuple[str, ...]
    spooled: tuple[str, ...]
    steps: tuple[str, ...]
    repairs: tuple[str, ...]

    @property
    def status(self) -> str:
        """The row's, or that there is none."""
        return self.row.status if self.row else "gone"


def downloaded(url: str) -> str | None:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return hashlib.sha256(answer.read()).hexdigest()


def text_of(path: Path) -> str:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    return f"{message['Subject']} {body.get_content() if body else ''}"


def key_of(url: str) -> str:
    """The object that a link leads to."""
    return unquote(urlsplit(url).path).removeprefix(f"/{BUCKET}/")
