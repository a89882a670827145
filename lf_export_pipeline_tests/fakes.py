"""The ports without services: plain classes that keep all in memory and follow the contracts."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import BinaryIO

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Recipient, StoredObject
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.resources.spool import safe_parts


class FakeExportRows:
    """An ``ExportRows`` in a dictionary."""

    def __init__(self, *rows: ExportRow) -> None:
        self.rows = {row.id: row for row in rows}
        self.recipients = {"u-alice": Recipient("alice@example.test", "Alice")}

    def get(self, export_id: str) -> ExportRow | None:
        return self.rows.get(export_id)

    def queued(self, limit: int, offset: int = 0) -> list[ExportRow]:
        waiting = [row for row in self.rows.values() if row.status == "QUEUED"]
        oldest_first = sorted(waiting, key=lambda row: (row.created_at, row.id))
        return oldest_first[offset : offset + limit]

    def recent(self, limit: int) -> list[ExportRow]:
        by_id = sorted(self.rows.values(), key=lambda row: row.id)
        return sorted(by_id, key=lambda row: row.created_at, reverse=True)[:limit]

    def oldest_queued(self) -> ExportRow | None:
        return next(iter(self.queued(1)), None)

    def add(self, row: ExportRow) -> None:
        self.rows[row.id] = row

    def start(self, export_id: str) -> bool:
        row = self.get(export_id)
        if row is None or row.status in {"COMPLETED", "CANCELLED"}:
            return False
        return self._put(_cleared(row, "PROCESSING"))

    def complete(
        self, export_id: str, url: str, finished_at: datetime, expires_at: datetime, log: str | None
    ) -> bool:
        row = self._in(export_id, "PROCESSING")
        return row is not None and self._put(
            replace(
                row,
                status="COMPLETED",
                url=url,
                finished_at=finished_at,
                expires_at=expires_at,
                log=log,
            )
        )

    def fail(self, export_id: str, sentence: str, finished_at: datetime) -> bool:
        row = self._in(export_id, "QUEUED", "PROCESSING")
        return row is not None and self._put(
            replace(row, status="FAILED", log=sentence.replace("\x00", ""), finished_at=finished_at)
        )

    def cancel(self, export_id: str) -> bool:
        row = self._in(export_id, "QUEUED", "PROCESSING")
        return row is not None and self._put(replace(row, status="CANCELLED"))

    def requeue(self, export_id: str) -> bool:
        row = self._in(export_id, "FAILED", "CANCELLED", "COMPLETED")
        return row is not None and self._put(_cleared(row, "QUEUED"))

    def recipient(self, user_id: str, project_id: str) -> Recipient | None:  # noqa: ARG002
        return self.recipients.get(user_id)

    def _in(self, export_id: str, *statuses: str) -> ExportRow | None:
        row = self.get(export_id)
        return row if row is not None and row.status in statuses else None

    def _put(self, row: ExportRow) -> bool:
        self.rows[row.id] = replace(row, updated_at=datetime.now(UTC))
        return True


class MemoryFileStore:
    """A ``FileStore`` in a dictionary; ``failures`` are raised by the next uploads, one each."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.failures: list[Exception] = []

    def upload(
        self,
        key: str,
        pieces: Iterable[bytes],
        content_type: str,
        expected_bytes: int,  # noqa: ARG002 - sizes the parts of real buckets
    ) -> None:
        data = b"".join(pieces)
        if self.failures:
            raise self.failures.pop(0)
        self.objects[key] = data
        self.content_types[key] = content_type

    def head(self, key: str) -> StoredObject | None:
        if key not in self.objects:
            return None
        return StoredObject(key, len(self.objects[key]), self.content_types[key])

    def signed_url(self, key: str, expires_in: timedelta) -> str:
        return f"https://bucket.test/{key}?expires={int(expires_in.total_seconds())}&secret=s3cr3t"

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class OutboxMailer:
    """A ``MailSender`` with an outbox; ``failures`` are raised by the next messages, one each."""

    def __init__(self, *, configured: bool = True) -> None:
        self.configured = configured
        self.sent: list[EmailMessage] = []
        self.failures: list[Exception] = []

    def send(self, message: EmailMessage) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)

    def greet(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class MemorySpool:
    """A ``Spool`` in a dictionary of paths."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        safe_parts(path)
        draft = io.BytesIO()
        yield draft
        self.files[path] = draft.getvalue()

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        safe_parts(path)
        if path not in self.files:
            raise TransientError(f"There is no file {path} in the spool.")
        yield io.BytesIO(self.files[path])

    def exists(self, path: str) -> bool:
        safe_parts(path)
        return path in self.files

    def remove(self, folder: str) -> None:
        prefix = "/".join(safe_parts(folder)) + "/"
        self.files = {
            path: data for path, data in self.files.items() if not path.startswith(prefix)
        }

    def folders(self) -> Sequence[str]:
        return sorted({path.split("/")[0] for path in self.files if "/" in path})


def _cleared(row: ExportRow, status: str) -> ExportRow:
    return replace(row, status=status, log=None, url=None, finished_at=None, expires_at=None)
