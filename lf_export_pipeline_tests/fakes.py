"""The ports without services: plain classes that keep all in memory and follow the contracts."""

import hashlib
import io
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import BinaryIO

from lf_export_pipeline.adapters.spool import safe_parts
from lf_export_pipeline.core.errors import TransientError, UploadLostError
from lf_export_pipeline.core.ports import ByteSource, Recipient
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow, StoredExport
from lf_export_pipeline.core.request.ownership import Claim, is_anothers, mark_of, owner_of
from lf_export_pipeline.core.stored_objects import (
    BegunUpload,
    IncompleteUpload,
    StoredObject,
    UploadedObject,
    UploadedPart,
)


class FakeBatchExportRepository:
    """An ``BatchExportRepository`` in a dictionary."""

    def __init__(self, *rows: ExportRow) -> None:
        self.rows = {row.id: row for row in rows}
        self.recipients = {"u-alice": Recipient("alice@example.test", "Alice")}

    def get(self, export_id: str) -> ExportRow | None:
        return self.rows.get(export_id)

    def stored(self, export_id: str) -> StoredExport | None:
        row = self.rows.get(export_id)
        assert row is None or isinstance(row, StoredExport)
        return row

    def oldest_queued(self) -> ExportRow | None:
        return min(self._waiting(), key=lambda row: (row.updated_at, row.id), default=None)

    def list_queued(
        self, per_project: int, limit: int, without: Collection[str] = ()
    ) -> list[ExportRow]:
        taken = Counter[str]()
        turns: list[tuple[int, ExportRow]] = []
        for row in sorted(self._waiting(), key=lambda row: (row.created_at, row.id)):
            if row.id not in without:
                taken[row.project_id] += 1
                turns.append((taken[row.project_id], row))
        in_turns = sorted(turns, key=lambda turn: turn[0])
        return [row for turn, row in in_turns if turn <= per_project][:limit]

    def search(self, wanted: ExportSearch) -> list[ExportRow]:
        found = [row for row in self.rows.values() if _matches(row, wanted)]
        return sorted(found, key=lambda row: (row.created_at, row.id))[: wanted.limit]

    def recent(self, limit: int) -> list[ExportRow]:
        by_id = sorted(self.rows.values(), key=lambda row: row.id)
        return sorted(by_id, key=lambda row: row.created_at, reverse=True)[:limit]

    def add(self, row: ExportRow) -> bool:
        return self.rows.setdefault(row.id, row) is row

    def start(self, export_id: str, owner: str, unchanged_since: datetime | None = None) -> bool:
        row = self.get(export_id)
        if row is None or row.status in {"COMPLETED", "CANCELLED"}:
            return False
        if is_anothers(row, owner) and row.updated_at != unchanged_since:
            return False
        return self._put(replace(_cleared(row, "PROCESSING"), log=mark_of(owner)))

    def complete(
        self,
        export_id: str,
        owner: str,
        url: str,
        *,
        finished_at: datetime,
        expires_at: datetime,
        log: str | None,
    ) -> bool:
        row = self._in(export_id, "PROCESSING", "FAILED")
        if row is None or is_anothers(row, owner):
            return False
        return self._put(
            replace(
                row,
                status="COMPLETED",
                url=url,
                finished_at=finished_at,
                expires_at=expires_at,
                log=log,
            )
        )

    def fail(
        self,
        export_id: str,
        sentence: str,
        finished_at: datetime,
        claim: Claim | None = None,
    ) -> bool:
        row = self._in_work(export_id, claim)
        return row is not None and self._put(
            replace(row, status="FAILED", log=sentence.replace("\x00", ""), finished_at=finished_at)
        )

    def cancel(self, export_id: str, claim: Claim | None = None) -> bool:
        row = self._in_work(export_id, claim)
        return row is not None and self._put(replace(row, status="CANCELLED", log=None))

    def requeue(self, export_id: str, only: str | None = None) -> bool:
        row = self._in(export_id, *([only] if only else ["FAILED", "CANCELLED", "COMPLETED"]))
        return row is not None and self._put(_cleared(row, "QUEUED"))

    def requeue_lost(self, export_id: str, untouched_since: datetime) -> bool:
        row = self._in(export_id, "PROCESSING")
        if row is None or row.updated_at > untouched_since:
            return False
        return self._put(_cleared(row, "QUEUED"))

    def touch(self, export_id: str, owner: str) -> bool:
        row = self._in(export_id, "PROCESSING")
        return row is not None and not is_anothers(row, owner) and self._put(row)

    def recipient(self, user_id: str, project_id: str) -> Recipient | None:  # noqa: ARG002
        return self.recipients.get(user_id)

    def _waiting(self) -> list[ExportRow]:
        return [row for row in self.rows.values() if row.status == "QUEUED"]

    def _in(self, export_id: str, *statuses: str) -> ExportRow | None:
        row = self.get(export_id)
        return row if row is not None and row.status in statuses else None

    def _in_work(self, export_id: str, claim: Claim | None) -> ExportRow | None:
        row = self._in(export_id, "QUEUED", "PROCESSING")
        return row if row is not None and (claim is None or _covers(claim, row)) else None

    def _put(self, row: ExportRow) -> bool:
        self.rows[row.id] = replace(row, updated_at=datetime.now(UTC))
        return True


class Pieces:
    """Pieces of bytes as a ``ByteSource``; what their maker raises is raised where they are read.

    Attributes:
        taken: How many bytes have been read.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.taken = 0
        self._pieces = iter(pieces)
        self._rest = b""

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        length = min(len(buffer), len(self._rest))
        buffer[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        self.taken += length
        return length


def content(source: ByteSource) -> bytes:
    """All that is left of a source."""
    found, buffer = io.BytesIO(), memoryview(bytearray(1 << 16))
    while length := source.readinto(buffer):
        found.write(buffer[:length])
    return found.getvalue()


class MemoryObjectStore:
    """A ``ObjectStore`` in a dictionary; ``failures`` are raised by the next uploads, one each.

    ``others`` are the other buckets of its service, by name.
    """

    def __init__(self, bucket: str = "exports", service: str = "s3.test") -> None:
        self.bucket = bucket
        self.service = service
        self.encryption = ""
        self.others: dict[str, MemoryObjectStore] = {}
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.file_names: list[str] = []
        self.failures: list[Exception] = []
        self.incomplete: list[IncompleteUpload] = []
        self.parts: dict[str, dict[int, bytes]] = {}
        self.types: dict[str, str] = {}
        self.marks: dict[str, str] = {}

    def upload(
        self,
        key: str,
        source: ByteSource,
        content_type: str,
        expected_bytes: int,  # noqa: ARG002 - sizes the parts of real buckets
    ) -> UploadedObject:
        data = content(source)
        if self.failures:
            raise self.failures.pop(0)
        self.objects[key] = data
        self.content_types[key] = content_type
        return UploadedObject(hashlib.sha256(data).hexdigest(), len(data), _etag(data))

    def begin(self, key: str, content_type: str) -> BegunUpload:
        upload_id = secrets.token_hex(4)
        self.incomplete.append(IncompleteUpload(key, upload_id, datetime.now(UTC)))
        self.parts[upload_id], self.types[upload_id] = {}, content_type
        return BegunUpload(key, upload_id, mark=f"mark of {upload_id}", is_told=True)

    def send_part(self, upload: BegunUpload, number: int, data: memoryview) -> UploadedPart:
        if upload.upload_id not in self.parts:
            raise UploadLostError(f"There is no upload {upload.upload_id}.")
        self.parts[upload.upload_id][number] = bytes(data)
        return UploadedPart(number, _etag(data), hashlib.sha256(data).hexdigest(), is_proven=True)

    def listed_parts(self, upload: BegunUpload) -> set[tuple[int, str]] | None:
        parts = self.parts.get(upload.upload_id)
        return None if parts is None else {(number, _etag(data)) for number, data in parts.items()}

    def is_complete(self, upload: BegunUpload) -> bool:
        return self.marks.get(upload.key) == upload.mark

    def complete(
        self,
        upload: BegunUpload,
        parts: Sequence[UploadedPart],
        part_bytes: int,
        size: int,
    ) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if not self.is_complete(upload):
            there = self.parts.get(upload.upload_id, {})
            found = [there.get(number, b"") for number in range(1, len(parts) + 1)]
            if [_etag(data) for data in found] != [part.etag for part in parts]:
                raise UploadLostError("A part is another one.")
            assert {len(data) for data in found[:-1]} <= {part_bytes}
            self.objects[upload.key] = b"".join(found)
            self.content_types[upload.key] = self.types[upload.upload_id]
            self.marks[upload.key] = upload.mark
            self.abort(upload)
        assert len(self.objects[upload.key]) == size

    def head(self, key: str) -> StoredObject | None:
        if key not in self.objects:
            return None
        data = self.objects[key]
        return StoredObject(key, len(data), self.content_types.get(key), _etag(data))

    def read(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        return (found for key in keys if (found := self.head(key)))

    def folders(self, prefix: str) -> Iterator[str]:
        below = (each.key.removeprefix(prefix) for each in self.listed(prefix))
        return iter(dict.fromkeys(key.split("/")[0] for key in below if "/" in key))

    def download(self, key: str, path: Path, progress: Callable[[int], None]) -> None:
        progress(path.write_bytes(self.objects[key]))

    def signed_url(self, key: str, expires_in: timedelta, file_name: str) -> str:
        self.file_names.append(file_name)
        return f"https://bucket.test/{key}?expires={int(expires_in.total_seconds())}&secret=s3cr3t"

    def keys_of_link(self, url: str) -> list[str]:
        found = re.fullmatch(r"https://bucket\.test/([^?]+)(\?.*)?", url)
        return [found[1]] if found else []

    def trust_of_links(self) -> SSLContext:
        return create_default_context()

    def doubts(self, prefix: str) -> Iterable[str]:  # noqa: ARG002
        return ()

    def of_bucket(self, bucket: str) -> "MemoryObjectStore":
        return self.others.setdefault(bucket, MemoryObjectStore(bucket))

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)
        self.marks.pop(key, None)

    def incomplete_uploads(self, prefix: str) -> list[IncompleteUpload]:
        return [upload for upload in self.incomplete if upload.key.startswith(prefix)]

    def abort(self, upload: IncompleteUpload | BegunUpload) -> None:
        self.parts.pop(upload.upload_id, None)
        self.incomplete = [one for one in self.incomplete if one.upload_id != upload.upload_id]


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

    def greet(self, sender: Address) -> None:  # noqa: ARG002 - the port's signature
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

    def folders(self, folder: str = "") -> Sequence[str]:
        above = "/".join(safe_parts(folder)) + "/" if folder else ""
        inside = [path.removeprefix(above) for path in self.files if path.startswith(above)]
        return sorted({path.split("/")[0] for path in inside if "/" in path})


def _covers(claim: Claim, row: ExportRow) -> bool:
    is_own = claim.owner is not None and owner_of(row) == claim.owner
    return is_own or row.updated_at == claim.unchanged_since


def _matches(row: ExportRow, search: ExportSearch) -> bool:
    chosen = (
        (search.ids, row.id),
        (search.statuses, row.status),
        (search.projects, row.project_id),
        (search.tables, row.table),
    )
    text, finished = (search.log_contains or "").casefold(), search.finished_since
    return (
        all(not wanted or value in wanted for wanted, value in chosen)
        and text in (row.log or "").casefold()
        and (search.created_since is None or row.created_at >= search.created_since)
        and (search.created_until is None or row.created_at < search.created_until)
        and (finished is None or (row.finished_at is not None and row.finished_at >= finished))
    )


def _etag(data: bytes | memoryview) -> str:
    return hashlib.md5(data).hexdigest()


def _cleared(row: ExportRow, status: str) -> ExportRow:
    return replace(row, status=status, log=None, url=None, finished_at=None, expires_at=None)
