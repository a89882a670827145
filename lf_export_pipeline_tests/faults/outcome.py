"""What is there when an export has ended."""

import csv
import hashlib
import io
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lf_export_localstack.services.seaweedfs_service import BUCKET
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline_tests.decompressed import decompressed
from lf_export_pipeline_tests.told_checksums import checksums_of
from lf_export_pipeline_tests.typed_cells import table_of


@dataclass(frozen=True, slots=True)
class Download:
    """What a link gives.

    Attributes:
        content: The whole file.
    """

    content: bytes

    @property
    def sha256(self) -> str:
        """The checksum, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def rows(self, file_format: str) -> list[dict[str, Any]]:
        """The rows, read by parsers that have nothing to do with the ones under test."""
        if file_format == "PARQUET":
            parquet: list[dict[str, Any]] = table_of(self.content).to_pylist()
            return parquet
        is_zstd = self.content.startswith(b"\x28\xb5\x2f\xfd")
        compression = Compression.ZSTD if is_zstd else Compression.NONE
        text = decompressed(self.content, compression).decode()
        if file_format == "CSV":
            csv.field_size_limit(1 << 30)
            return list(csv.DictReader(io.StringIO(text, newline="")))
        if file_format == "JSONL":
            return [json.loads(line) for line in text.split("\n") if line]
        rows: list[dict[str, Any]] = json.loads(text)
        return rows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is there when everything has been repaired.

    Attributes:
        row: As it is in Langfuse's database; None if it is gone.
        file: What the row's link downloads.
        is_right: Whether that is what an undisturbed export gives.
        manifest: What the run's metadata say of the file.
        recipients: To whom the e-mails about the export went, one for each e-mail.
        objects: The keys that the bucket has gained.
        uploads: The keys of uploads that were begun and not ended.
        spooled: The files that are left in the spool.
        steps: The op that was at work when each run but the last one ended.
        repairs: What was done after the first run.
        struck_in: The op that was at work when it happened; None if it befell the whole run.
        may_repeat: Whether the mail server had the message, and nothing of ours said so.
    """

    row: ExportRow | None
    file: Download | None
    is_right: bool
    manifest: Mapping[str, Any]
    recipients: tuple[str, ...]
    objects: tuple[str, ...]
    uploads: tuple[str, ...]
    spooled: tuple[str, ...]
    steps: tuple[str, ...]
    repairs: tuple[str, ...]
    struck_in: str | None = None
    may_repeat: bool = False

    @property
    def status(self) -> str:
        """The row's, or that there is none."""
        return self.row.status if self.row else "gone"

    @property
    def op_at_work(self) -> str:
        """The op that it befell; without one those in which runs ended, if any."""
        return self.struck_in or ", ".join(dict.fromkeys(self.steps))

    @property
    def mails(self) -> int:
        """How many e-mails there are about the export."""
        return len(self.recipients)

    def is_told_by_its_manifest(self) -> bool:
        """Whether rows, bytes, checksum and key in the manifest are those of the file."""
        if self.file is None or self.row is None or self.row.url is None:
            return False
        found = {
            "rows": len(self.file.rows(self.row.format)),
            "bytes": len(self.file.content),
            **checksums_of(self.file.content, self.manifest),
            "object_key": key_of(self.row.url),
        }
        return found == {name: self.manifest.get(name) for name in found}


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail as the server has taken it.

    Attributes:
        recipient: Of the envelope, not of the header.
        text: Subject and body.
    """

    recipient: str
    text: str = field(repr=False)


def downloaded(url: str) -> Download:
    """What the link gives."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return Download(answer.read())


def mail_at(path: Path) -> Mail:
    """A message of the embedded mail server's inbox."""
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    text = f"{message['Subject']} {body.get_content() if body else ''}"
    return Mail(recipient=message["X-Envelope-To"], text=text)


def key_of(url: str) -> str:
    """The object that a link leads to."""
    return unquote(urlsplit(url).path).removeprefix(f"/{BUCKET}/")
