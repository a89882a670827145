"""The rows of a chunk with everything that is looked up for them, a batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from lf_export_pipeline.core.plan import bind_chunk, counted
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query import Chunk, ExportQuery, Lookup, LookupScope
from lf_export_pipeline.core.statement import Statement
from lf_export_pipeline.joining import LookupTable, distinct_keys
from lf_export_pipeline.read_ahead import read_ahead

Keys = bytes | Sequence[str]


@contextmanager
def chunk_batches(
    reader: RowReader, query: ExportQuery, chunk: Chunk, keys: Keys
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The chunk's rows in the order of the file; leaving the context ends the query.

    The store sorts the rows while the lookups are fetched, and sends the next batch while one is
    joined and serialised.
    """
    rows = _rows(query, chunk, keys)
    with read_ahead(lambda: reader.batches(rows)) as batches:
        tables = {
            at: _fetch(reader, lookup, _for_chunk(lookup, chunk, keys))
            for at, lookup in enumerate(query.lookups)
            if lookup.scope is not LookupScope.BATCH
        }
        yield (_joined(reader, query.lookups, tables, batch) for batch in batches)


def rows_left(reader: RowReader, query: ExportQuery, chunk: Chunk, keys: Keys) -> int:
    """How many of the chunk's rows there are now; costs no more than their keys."""
    ((rows,),) = reader.rows(counted(_rows(query, chunk, keys)))
    return int(str(rows))


def _rows(query: ExportQuery, chunk: Chunk, keys: Keys) -> Statement:
    assert query.chunk_rows is not None  # noqa: S101 - chunks exist only of what can be read
    return bind_chunk(query.chunk_rows, keys, chunk.lower, chunk.upper)


def _joined(
    reader: RowReader,
    lookups: Sequence[Lookup],
    tables: dict[int, LookupTable],
    rows: pa.RecordBatch,
) -> pa.RecordBatch:
    for at, lookup in enumerate(lookups):
        table = tables.get(at) or _fetch(reader, lookup, _for_batch(lookup, rows))
        rows = table.joined(rows)
    return rows


def _fetch(reader: RowReader, lookup: Lookup, statement: Statement) -> LookupTable:
    with reader.batches(statement) as batches:
        return LookupTable(lookup, batches)


def _for_chunk(lookup: Lookup, chunk: Chunk, keys: Keys) -> Statement:
    if lookup.scope is LookupScope.ONCE:
        return lookup.statement
    return bind_chunk(lookup.statement, keys, chunk.lower, chunk.upper)


def _for_batch(lookup: Lookup, rows: pa.RecordBatch) -> Statement:
    params = {**lookup.statement.params, "keys": distinct_keys(lookup, rows)}
    return lookup.statement.model_copy(update={"params": params})
