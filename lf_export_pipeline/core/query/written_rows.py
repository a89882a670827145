"""Statements whose rows arrive as the bytes of a file, and what is sent along with them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lf_export_pipeline.core.query.statement import Statement

if TYPE_CHECKING:
    import pyarrow as pa

QUERY_MAX_BYTES = 126 * 1024
"""ClickHouse refuses form fields above 128 KiB (``http_max_field_value_size``)."""


@dataclass(frozen=True, slots=True)
class SentTable:
    """A table that is sent along with a query: text columns, all of one length."""

    name: str
    rows: "pa.RecordBatch"


@dataclass(frozen=True, slots=True)
class WrittenStatement:
    """A statement, and how ClickHouse's format ``Template`` is to write its rows."""

    statement: Statement
    row: str
    between: str
    settings: dict[str, str] = field(default_factory=dict)
    tables: tuple[SentTable, ...] = ()

    def fits(self, sent_max_bytes: int) -> bool:
        """Whether the server reads a query of that length, with tables of at most so many bytes."""
        length = len(self.statement.sql) + len(self.row) + len(self.between)
        return length <= QUERY_MAX_BYTES and self.sent_bytes <= sent_max_bytes

    def with_table(self, table: SentTable) -> "WrittenStatement":
        """The same, with one more table."""
        return replace(self, tables=(*self.tables, table))

    @property
    def sent_bytes(self) -> int:
        """The bytes of all tables."""
        return sum(int(table.rows.nbytes) for table in self.tables)


class Filled(NamedTuple):
    """The first bytes of a buffer; as a buffer, unlike a view, it is searched at memory speed."""

    data: bytes | bytearray
    size: int

    @property
    def view(self) -> memoryview:
        """These bytes, without a copy."""
        return memoryview(self.data)[: self.size]


class RowBytes(Protocol):
    """Rows as bytes of a file."""

    @property
    def buffers(self) -> Iterator[Filled]:
        """Some megabytes at a time; each is used up before the next one is asked for."""
        ...

    @property
    def rows(self) -> int:
        """How many the server has written, known when all buffers have been read."""
        ...
