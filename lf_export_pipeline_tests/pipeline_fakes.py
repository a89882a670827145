"""The ports in memory: what a test of an op needs of the outside world."""

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa

from lf_export_pipeline.core.columns import Kind, OutputColumn
from lf_export_pipeline.core.ports import Recipient, StoredObject
from lf_export_pipeline.core.query import Answers, ExportQuery
from lf_export_pipeline.core.request import ExportLimits, ExportRequest, ExportRow
from lf_export_pipeline.core.statement import Statement, Store

NOT_RESTARTED = {"COMPLETED", "CANCELLED"}
IN_WORK = {"QUEUED", "PROCESSING"}


class FakeExportRows:
    """``batch_exports`` as a dictionary, with the guards of the real one."""

    def __init__(self, *rows: ExportRow) -> None:
        self.rows = {row.id: row for row in rows}
        self.recipients = {"u-alice": Recipient("alice@example.test", "Alice")}

    def get(self, export_id: str) -> ExportRow | None:
        return self.rows.get(export_id)

    def queued(self, limit: int, offset: int = 0) -> list[ExportRow]:
        waiting = [row for row in self.rows.values() if row.status == "QUEUED"]
        return sorted(waiting, key=lambda row: row.created_at)[offset : offset + limit]

    def start(self, export_id: str) -> bool:
        cleared = {"log": None, "url": None, "finished_at": None, "expires_at": None}
        startable = self._status(export_id) not in {*NOT_RESTARTED, None}
        return startable and self._set(export_id, status="PROCESSING", **cleared)

    def complete(
        self, export_id: str, url: str, finished_at: datetime, expires_at: datetime, log: str | None
    ) -> bool:
        return self._status(export_id) == "PROCESSING" and self._set(
            export_id,
            status="COMPLETED",
            url=url,
            finished_at=finished_at,
            expires_at=expires_at,
            log=log,
        )

    def fail(self, export_id: str, sentence: str, finished_at: datetime) -> bool:
        return self._status(export_id) in IN_WORK and self._set(
            export_id, status="FAILED", log=sentence, finished_at=finished_at
        )

    def cancel(self, export_id: str) -> bool:
        return self._status(export_id) in IN_WORK and self._set(export_id, status="CANCELLED")

    def requeue(self, export_id: str) -> bool:
        return self._status(export_id) in {"FAILED", *NOT_RESTARTED} and self._set(
            export_id, status="QUEUED", log=None, url=None, finished_at=None, expires_at=None
        )

    def recipient(self, user_id: str, _project_id: str) -> Recipient | None:
        return self.recipients.get(user_id)

    def _status(self, export_id: str) -> str | None:
        return self.rows[export_id].status if export_id in self.rows else None

    def _set(self, export_id: str, **values: object) -> bool:
        changed = replace(self.rows[export_id], updated_at=datetime.now(UTC), **values)  # type: ignore[arg-type]
        self.rows[export_id] = changed
        return True


def export_row(export_id: str = "export-1", **values: object) -> ExportRow:
    """A queued export of the made-up table ``numbers``."""
    now = datetime.now(UTC)
    query: dict[str, object] = {"tableName": "numbers", "filter": [], "orderBy": None}
    row = ExportRow(
        id=export_id,
        project_id="project-1",
        user_id="u-alice",
        created_at=now,
        updated_at=now,
        name="My numbers",
        status="QUEUED",
        format="CSV",
        query=query,
    )
    return replace(row, **values)  # type: ignore[arg-type]


class MemorySpool:
    """Files in a dictionary; a file appears when it is closed well."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        buffer = io.BytesIO()
        yield buffer
        self.files[path] = buffer.getvalue()

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.files[path])

    def exists(self, path: str) -> bool:
        return path in self.files

    def remove(self, folder: str) -> None:
        self.files = {p: data for p, data in self.files.items() if not p.startswith(f"{folder}/")}

    def folders(self) -> Sequence[str]:
        return sorted({path.split("/")[0] for path in self.files})


class MemoryFileStore:
    """A bucket in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}

    def upload(
        self, key: str, pieces: Iterable[bytes], content_type: str, expected_bytes: int
    ) -> None:
        self.objects[key] = b"".join(pieces)
        self.content_types[key] = content_type
        assert len(self.objects[key]) == expected_bytes

    def head(self, key: str) -> StoredObject | None:
        if key not in self.objects:
            return None
        return StoredObject(key, len(self.objects[key]), self.content_types[key])

    def signed_url(self, key: str, expires_in: timedelta) -> str:
        return f"https://files.example/{key}?signature=secret&expires={expires_in.total_seconds()}"

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class OutboxMailer:
    """Keeps the messages."""

    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> None:
        self.sent.append(message)


@dataclass
class NumbersReader:
    """Rows 0, 1, 2, … of a table that exists only here; counts what it is asked."""

    count: int
    batch_rows: int = 4
    asked: list[str] = field(default_factory=list)
    before_rows: Callable[[list[int]], None] = lambda _: None
    vanished: set[int] = field(default_factory=set)

    def tagged(self, **_tags: str) -> Self:
        return self

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        word = statement.sql.split()[0]
        self.asked.append(word)
        numbers = list(range(self.count)) if word == "scan" else packed_keys(statement)
        if word == "rows":
            self.before_rows(numbers)
            numbers = [number for number in numbers if number not in self.vanished]
        make = {"scan": _key_batch, "rows": _row_batch, "names": _name_batch}[word]
        steps = range(0, len(numbers), self.batch_rows)
        yield (make(numbers[at : at + self.batch_rows]) for at in steps)

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        self.asked.append(statement.sql)
        return [(100.0,)]


def packed_keys(statement: Statement) -> list[int]:
    """The keys that ``bind_chunk`` has bound."""
    packed = b"".join(
        base64.b64decode(value) for name, value in statement.params.items() if name[0] == "k"
    )
    return [int(key) for key in np.frombuffer(packed, dtype="<u8")]


def _key_batch(numbers: list[int]) -> pa.RecordBatch:
    days = [f"2031-01-{number % 28 + 1:02d}" for number in numbers]
    return pa.RecordBatch.from_pydict({"key": pa.array(numbers, pa.uint64()), "b0": pa.array(days)})


def _row_batch(numbers: list[int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"id": pa.array([f"n{number}" for number in numbers], pa.string())}
    )


def _name_batch(numbers: list[int]) -> pa.RecordBatch:
    """Every other number has a name."""
    named = [number for number in numbers if number % 2 == 0]
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array([f"n{number}" for number in named], pa.string()),
            "name": pa.array([f"number {number}" for number in named], pa.string()),
        }
    )


class Numbers:
    """The made-up table."""

    name = "numbers"

    def prerequisites(self, _request: ExportRequest, _limits: ExportLimits) -> dict[str, Statement]:
        return {}

    def compile(
        self, request: ExportRequest, _answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        from lf_export_pipeline.core.query import Lookup, LookupScope  # noqa: PLC0415

        chunk = Statement(store=Store.CLICKHOUSE, sql="rows /*keys:key*/ {lo_0:Date} {hi_0:Date}")
        names = Statement(store=Store.CLICKHOUSE, sql="names /*keys:key*/")
        return ExportQuery(
            request=request,
            columns=(OutputColumn(name="id"), OutputColumn(name="name", kind=Kind.TEXT)),
            key_scan=Statement(store=Store.CLICKHOUSE, sql="scan"),
            chunk_rows=chunk,
            sample=Statement(store=Store.CLICKHOUSE, sql="sample"),
            bounds=("Date",),
            lookups=(
                Lookup(
                    key="id",
                    scope=LookupScope.CHUNK,
                    statement=names,
                    defaults={"name": "nameless"},
                ),
            ),
            row_limit=limits.row_limit,
        )
