"""One reader for all stores: each statement goes to the store that it names."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.model import ExportFormat

if TYPE_CHECKING:
    import pyarrow as pa


class StatementRouter:
    """A ``RowReader`` of two: one for Postgres, one for all that is in ClickHouse."""

    def __init__(self, clickhouse: RowReader, postgres: RowReader) -> None:
        self._clickhouse = clickhouse
        self._postgres = postgres

    def tagged(self, **tags: str) -> Self:
        """Both readers with these tags."""
        return type(self)(self._clickhouse.tagged(**tags), self._postgres.tagged(**tags))

    def batches(self, statement: Statement) -> "AbstractContextManager[Iterator[pa.RecordBatch]]":
        """The result as Arrow batches, from the statement's store."""
        return self._reader(statement).batches(statement)

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:
        """Whether the store writes rows as they stand in a file."""
        reader = self._postgres if store is Store.POSTGRES else self._clickhouse
        return reader.takes_written(store, export_format)

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        """The result as the bytes of a file, from the statement's store."""
        return self._reader(wanted.statement).written(wanted)

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        """A small result, from the statement's store."""
        return self._reader(statement).rows(statement)

    def _reader(self, statement: Statement) -> RowReader:
        return self._postgres if statement.store is Store.POSTGRES else self._clickhouse
