"""A made-up table of numbers, so that the ops can be tested without any service."""

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

import numpy as np
import pyarrow as pa

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup, LookupScope
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportFormat, ExportRequest, StoredExport


def export_row(export_id: str = "export-1", **values: object) -> StoredExport:
    """A queued export of the made-up table ``numbers``."""
    now = datetime.now(UTC)
    query: dict[str, object] = {"tableName": "numbers", "filter": [], "orderBy": None}
    row = StoredExport(
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


@dataclass
class NumbersReader:
    """Rows 0, 1, 2, … of a table that exists only here.

    Attributes:
        row_bytes: What the sample of row sizes says.
        asked: The first word of each statement that was run.
        before_scan: Called before the keys are scanned.
        before_rows: Called with the numbers of a chunk before they are read.
        vanished: Numbers that the key scan finds, and nothing after it does.
        lost: Numbers that are there, and that the reading does not give.
        repeated: How often each row of a chunk is given again.
    """

    count: int
    batch_rows: int = 4
    row_bytes: float = 100.0
    asked: list[str] = field(default_factory=list)
    before_scan: Callable[[], object] = lambda: None
    before_rows: Callable[[list[int]], object] = lambda _: None
    vanished: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    repeated: int = 0

    def tagged(self, **_tags: str) -> Self:
        return self

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        word = statement.sql.split()[0]
        self.asked.append(word)
        if word == "scan":
            self.before_scan()
        numbers = list(range(self.count)) if word == "scan" else packed_keys(statement)
        if word == "rows":
            self.before_rows(numbers)
            absent = self.vanished | self.lost
            numbers = [number for number in numbers if number not in absent]
            numbers *= 1 + self.repeated
        make = {"scan": _key_batch, "rows": _row_batch, "names": _name_batch}[word]
        steps = range(0, len(numbers), self.batch_rows)
        yield (make(numbers[at : at + self.batch_rows]) for at in steps)

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:  # noqa: ARG002
        return False

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        raise AssertionError(wanted)

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        self.asked.append(statement.sql)
        if "sample" in statement.sql:
            return [(at, self.row_bytes) for at in range(statement.sql.count("sample"))]
        return [(len(set(packed_keys(statement)) - self.vanished),)]


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
    reads = ()
    columns = (OutputColumn(name="id"), OutputColumn(name="name", kind=Kind.TEXT))
    has_score_columns = False
    window_column = None

    def preflight_queries(
        self, _request: ExportRequest, _limits: ExportLimits
    ) -> dict[str, Statement]:
        return {}

    def compile(
        self, request: ExportRequest, _answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        chunk = Statement(store=Store.CLICKHOUSE, sql="rows /*keys:key*/ {lo_0:Date} {hi_0:Date}")
        names = Statement(store=Store.CLICKHOUSE, sql="names /*keys:key*/")
        lookup = Lookup(
            key="id", scope=LookupScope.CHUNK, statement=names, defaults={"name": "nameless"}
        )
        chosen = chosen_columns(request, self.columns, [lookup])
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            key_scan=Statement(store=Store.CLICKHOUSE, sql="scan"),
            chunk_rows=chunk,
            sample=Statement(store=Store.CLICKHOUSE, sql="sample"),
            lookups=chosen.lookups,
            row_limit=limits.row_limit,
        )
