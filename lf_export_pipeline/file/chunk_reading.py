"""The rows of a chunk with everything that is looked up for them, a batch at a time."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.chunk_plan import bind_chunk
from lf_export_pipeline.core.query.export_query import Chunk, ExportQuery, Lookup, LookupScope
from lf_export_pipeline.core.query.freshness import count_of
from lf_export_pipeline.core.query.key_scan import quoted
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.file.read_ahead import read_ahead

if TYPE_CHECKING:
    import pyarrow as pa

    from lf_export_pipeline.file.joining import LookupTable

Keys = bytes | Sequence[str]


@dataclass(frozen=True, slots=True)
class RowsLeft:
    """Rows that a server has now, and whether it does not know yet what the key scan knew."""

    rows: int
    lags: bool


class PlanTables:
    """The lookups of scope ONCE of the plan that was read last.

    The default executor makes the chunks of a plan in one process, one after the other.
    """

    def __init__(self) -> None:
        self._folder = ""
        self._tables: dict[int, LookupTable] = {}
        self._lock = threading.Lock()

    def table(self, folder: str, at: int, fetch: "Callable[[], LookupTable]") -> "LookupTable":
        """The table of the plan's lookup at this position; fetched unless it is known."""
        with self._lock:
            if folder != self._folder:
                self._folder, self._tables = folder, {}
            tables = self._tables
        if at not in tables:
            tables[at] = fetch()
        return tables[at]


class ChunkReader:
    """Reads the chunks of a plan."""

    def __init__(self, reader: RowReader, plan_tables: PlanTables) -> None:
        self._reader = reader
        self._plan_tables = plan_tables

    @contextmanager
    def batches(
        self, query: ExportQuery, chunk: Chunk, keys: Keys
    ) -> "Iterator[Iterator[pa.RecordBatch]]":
        """The chunk's rows in the order of the file; leaving the context ends the query.

        The store sorts the rows while the lookups are fetched, and sends the next batch while one
        is joined and serialised.
        """
        rows = bound_rows(query, chunk, keys)
        with read_ahead(lambda: self._reader.batches(rows)) as batches:
            tables = {
                at: self._table(at, lookup, chunk, keys)
                for at, lookup in enumerate(query.lookups)
                if lookup.scope is not LookupScope.BATCH
            }
            yield (self._joined(query.lookups, tables, batch) for batch in batches)

    def rows_left(self, query: ExportQuery, chunk: Chunk, keys: Keys) -> RowsLeft:
        """How many of the chunk's rows there are now; costs no more than their keys."""
        ((rows, *newest),) = self._reader.rows(count_of(bound_rows(query, chunk, keys), query))
        lags = bool(newest) and int(str(newest[0])) < chunk.newest
        return RowsLeft(int(str(rows)), lags=lags)

    def lookup_tables(self, query: ExportQuery, chunk: Chunk, keys: Keys) -> "list[LookupTable]":
        """What each of the query's lookups finds for all rows of the chunk."""
        rows = bound_rows(query, chunk, keys)
        return [
            self._of_rows(lookup, rows)
            if lookup.scope is LookupScope.BATCH
            else self._table(at, lookup, chunk, keys)
            for at, lookup in enumerate(query.lookups)
        ]

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:
        """Whether the store writes rows itself."""
        return self._reader.takes_written(store, export_format)

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        """The rows as ClickHouse writes them."""
        return self._reader.written(wanted)

    def _of_rows(self, lookup: Lookup, rows: Statement) -> "LookupTable":
        """The lookup for each key that occurs in the rows; the store reads no other column."""
        sql = f"SELECT DISTINCT {quoted(lookup.key)} FROM (\n{rows.sql}\n)"
        with self._reader.batches(rows.model_copy(update={"sql": sql})) as batches:
            found = [self._found(lookup, batch) for batch in batches]
        return _lookup_table(lookup, (batch for each in found for batch in each))

    def _found(self, lookup: Lookup, rows: "pa.RecordBatch") -> "list[pa.RecordBatch]":
        with self._reader.batches(_for_batch(lookup, rows)) as batches:
            return list(batches)

    def _joined(
        self, lookups: Sequence[Lookup], tables: "dict[int, LookupTable]", rows: "pa.RecordBatch"
    ) -> "pa.RecordBatch":
        for at, lookup in enumerate(lookups):
            table = tables.get(at) or self._fetch(lookup, _for_batch(lookup, rows))
            rows = table.joined(rows)
        return rows

    def _table(self, at: int, lookup: Lookup, chunk: Chunk, keys: Keys) -> "LookupTable":
        if lookup.scope is LookupScope.ONCE:
            fetch = partial(self._fetch, lookup, lookup.statement)
            return self._plan_tables.table(chunk.folder, at, fetch)
        return self._fetch(lookup, bind_chunk(lookup.statement, keys, chunk.lower, chunk.upper))

    def _fetch(self, lookup: Lookup, statement: Statement) -> "LookupTable":
        with self._reader.batches(statement) as batches:
            return _lookup_table(lookup, batches)


def bound_rows(query: ExportQuery, chunk: Chunk, keys: Keys) -> Statement:
    """The statement of the chunk's rows."""
    assert query.chunk_rows is not None  # noqa: S101 - chunks exist only of what can be read
    return bind_chunk(query.chunk_rows, keys, chunk.lower, chunk.upper)


def _lookup_table(lookup: Lookup, batches: "Iterable[pa.RecordBatch]") -> "LookupTable":
    from lf_export_pipeline.file.joining import LookupTable  # noqa: PLC0415 - with it comes pyarrow

    return LookupTable(lookup, batches)


def _for_batch(lookup: Lookup, rows: "pa.RecordBatch") -> Statement:
    from lf_export_pipeline.file.joining import distinct_keys  # noqa: PLC0415 - with it comes pyarrow

    params = {**lookup.statement.params, "keys": distinct_keys(lookup, rows)}
    return lookup.statement.model_copy(update={"params": params})
