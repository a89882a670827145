"""Projects made for one test, and exports of them through the real stores.

An export runs as in the job (key scan, chunks in the spool, lookups, format, assembly), only
without Dagster around it, so that a test can choose the length of chunks and act between scan and
reading.
"""

import csv
import io
import json
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import (
    insert_clickhouse_batch,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.export_query import (
    Chunk,
    ExportQuery,
    RowsBy,
    SerializedChunk,
    unfit_of,
)
from lf_export_pipeline.core.request.column_groups import forbidden_columns
from lf_export_pipeline.core.request.model import ExportRequest, StoredExport
from lf_export_pipeline.core.tables import column_names
from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline.defs.ops.serialize_chunk import ChunkWriter
from lf_export_pipeline.defs.ops.stream_chunks import DEFAULT_ROW_BYTES, planned
from lf_export_pipeline.file.assembled_file import AssembledFile, writer_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_files import ChunkFiles
from lf_export_pipeline.file.chunk_reading import ChunkReader, PlanTables
from lf_export_pipeline.file.preview import PREVIEW, Preview
from lf_export_pipeline.file.written_chunk import written_layout
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.effort import IS_LONG
from lf_export_pipeline_tests.fakes import MemorySpool, content

CUTOFF = datetime(2031, 3, 20, 12, tzinfo=UTC)
NOON = "2031-03-01T12:00:00.000Z"

csv.field_size_limit(1 << 24)  # tests write cells of a megabyte

Row = Mapping[str, Any]

_EVENT = {"event_ts": NOON, "created_at": NOON, "updated_at": NOON}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "traces": {"timestamp": NOON, "name": "chat", **_EVENT},
    "observations": {
        "start_time": NOON,
        "name": "call",
        "type": "SPAN",
        "level": "DEFAULT",
        **_EVENT,
    },
    "scores": {"timestamp": NOON, "data_type": "NUMERIC", "source": "API", **_EVENT},
    "events_full": {"start_time": NOON, "name": "call", "type": "SPAN", **_EVENT},
    "dataset_run_items_rmt": _EVENT,
}


@dataclass(frozen=True, slots=True)
class Exported:
    """The file, and what is known of how it was made."""

    data: bytes
    query: ExportQuery
    limit_hit: bool
    chunk_rows: tuple[int, ...]
    part_rows: tuple[int, ...]
    rows_by: frozenset[RowsBy] = frozenset()
    unfit: Mapping[str, int] = field(default_factory=dict)
    preview: str = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a JSONL file; numbers with a fraction keep all their digits."""
        lines = self.data.decode().split("\n")
        return [json.loads(line, parse_float=Decimal) for line in lines if line]

    @property
    def ids(self) -> list[str]:
        """The ids in the order of the file."""
        return [row["id"] for row in self.rows]

    @property
    def row(self) -> dict[str, Any]:
        """The only row."""
        (only,) = self.rows
        return only

    @property
    def cells(self) -> dict[str, str]:
        """The only row of a CSV file."""
        lines = csv.reader(io.StringIO(self.data.decode(), newline=""), strict=True)
        header, cells = lines
        return dict(zip(header, cells, strict=True))


@dataclass(frozen=True, slots=True)
class Project:
    """A project of its own in the stack's databases."""

    addresses: StackAddresses
    client: Client
    reader: RowReader
    settings: Settings
    id: str = field(default_factory=lambda: f"project-{uuid.uuid4().hex}")
    is_quiet: bool = True  # nobody writes while it is exported

    def add(self, table: str, *rows: Row) -> None:
        """One INSERT into ClickHouse: the rows stay as they are, in an own part per partition."""
        full = [{**_DEFAULTS[table], "project_id": self.id, **row} for row in rows]
        insert_clickhouse_batch(self.client, table, [json.dumps(row) for row in full])

    def add_to_postgres(self, table: str, *rows: Row) -> None:
        """Rows of a table that has a project; ``project_id`` can be overruled."""
        self.add_shared(table, *({"project_id": self.id, **row} for row in rows))

    def add_shared(self, table: str, *rows: Row) -> None:
        """Rows of a Postgres table as they are."""
        with postgres_transaction(self.addresses) as connection:
            insert_postgres_rows(connection, table, [json.dumps(row) for row in rows])

    @contextmanager
    def unmerged(self, table: str) -> Iterator[None]:
        """While it lasts, ClickHouse keeps every version of a row that was inserted."""
        self.client.command(f"SYSTEM STOP MERGES {table}")
        try:
            yield
        finally:
            self.client.command(f"SYSTEM START MERGES {table}")

    def request(
        self,
        table: str,
        filters: Sequence[Row] = (),
        *,
        file_format: str = "JSONL",
        created_at: datetime = CUTOFF,
        forbidden: str = "",
        **query: Any,
    ) -> ExportRequest:
        """The request, read from a stored row as every request is."""
        barred = forbidden_columns(forbidden, column_names())
        defaults = replace(self.settings.file_defaults, forbidden=barred)
        stored = {"tableName": table, "filter": list(filters), "orderBy": None, **query}
        return parse_request(
            StoredExport(
                id=f"export-{uuid.uuid4().hex}",
                project_id=self.id,
                user_id="user",
                created_at=created_at,
                updated_at=created_at,
                name="export",
                status="QUEUED",
                format=file_format,
                query=stored,
            ),
            defaults=defaults,
        )

    def export(
        self,
        table: str,
        filters: Sequence[Row] = (),
        *,
        chunk_rows: int = 100_000,
        row_limit: int | None = None,
        before_reading: Callable[[], None] = lambda: None,
        **request: Any,
    ) -> Exported:
        """Export a table of the project.

        Args:
            table: The word in ``tableName``.
            filters: As stored.
            chunk_rows: Rows per chunk.
            row_limit: Instead of the setting's.
            before_reading: Called between the key scan and the reading of the first chunk.
            request: Further arguments of ``request``.
        """
        settings = self.settings
        if row_limit is not None:
            settings = settings.model_copy(update={"batch_export_row_limit": row_limit})
        return exported(
            self.request(table, filters, **request),
            self.reader,
            settings,
            chunk_rows=chunk_rows,
            before_reading=before_reading,
            both_ways=self.is_quiet,
        )

    def ids(self, table: str, *filters: Row, **options: Any) -> set[str]:
        """The ids that an export with these filters holds, each exactly once."""
        found = self.export(table, filters, **options).ids
        assert len(found) == len(set(found))
        return set(found)


def exported(
    request: ExportRequest,
    reader: RowReader,
    settings: Settings,
    *,
    chunk_rows: int = 100_000,
    before_reading: Callable[[], None] = lambda: None,
    both_ways: bool = True,
) -> Exported:
    """The file of an export, made as the job makes it but without Dagster around.

    Where ClickHouse writes the rows, they are serialised here as well, and the bytes have to be
    equal: of each file in the long form, of a sixth of them in the short one.

    Args:
        request: Read from a stored row.
        reader: Of the stores.
        settings: Limits and choices.
        chunk_rows: Rows per chunk.
        before_reading: Called between the key scan and the reading of the first chunk.
        both_ways: False where the rows may change between two readings.
    """
    query = _as_handed_on(resolved(request, reader, settings))
    spool = MemorySpool()
    folder = AttemptFolder(spool, "export/run")
    target_bytes = round(chunk_rows * DEFAULT_ROW_BYTES)
    without_sample = query.model_copy(update={"sample": None})
    plan, chunks = planned(without_sample, reader, folder, target_bytes)
    before_reading()
    layout = written_layout(query, settings, ChunkReader(reader, PlanTables()))
    made = partial(_file, query, reader, chunks, folder)
    data, parts = made(layout)
    if layout is not None and both_ways and _is_made_again(data):
        assert made(None)[0] == data, "the ways differ"
    return Exported(
        data=data,
        query=query,
        limit_hit=plan.limit_hit,
        chunk_rows=plan.chunk_rows,
        part_rows=tuple(part.rows for part in parts),
        rows_by=frozenset(part.rows_by for part in parts),
        unfit=unfit_of(parts),
        preview=_preview(parts, spool),
    )


def _preview(parts: Sequence[SerializedChunk], spool: MemorySpool) -> str:
    folders = {part.location.rpartition("/")[0] for part in parts}
    found = [AttemptFolder(spool, path).read(PREVIEW, Preview) for path in folders]
    return "".join(each.markdown for each in found if each)


def _is_made_again(data: bytes) -> bool:
    """The file itself decides, so a recorded export is always made in the same ways."""
    return IS_LONG or zlib.crc32(data) % 6 == 0


def _file(
    query: ExportQuery,
    reader: RowReader,
    chunks: Sequence[Chunk],
    folder: AttemptFolder,
    layout: Layout | None,
) -> tuple[bytes, list[SerializedChunk]]:
    """The file in one of the two ways that rows are made in, and its parts."""
    writer, rows = writer_of(query), ChunkReader(reader, PlanTables())
    make = partial(ChunkWriter, file=ChunkFiles(folder), preview=True, layout=layout)
    parts = [make(rows, writer, query, chunk, folder).verified() for chunk in chunks]
    return content(AssembledFile(writer, parts, folder.spool)), parts


def _as_handed_on(query: ExportQuery) -> ExportQuery:
    """The query as the next op reads it: it travels as JSON."""
    return ExportQuery.model_validate_json(query.model_dump_json())


def where(column: str, kind: str, operator: str, value: Any, **more: Any) -> Row:
    """A filter as it is stored."""
    return {"column": column, "type": kind, "operator": operator, "value": value, **more}
