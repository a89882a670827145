"""The rows of a chunk as ClickHouse writes them: bytes of the file, and nothing to serialise."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lf_export_pipeline.core.query.columns import SCORE_CELLS
from lf_export_pipeline.core.query.export_query import Chunk, ExportQuery
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.query.written_rows import RowBytes
from lf_export_pipeline.file.assembled_file import layout_of
from lf_export_pipeline.file.chunk_reading import ChunkReader, Keys, bound_rows
from lf_export_pipeline.settings import Settings

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.template import RowTemplate
    from lf_export_pipeline.core.formats.writer import Layout

SENT_MAX_BYTES = 32 * 1024 * 1024
"""What is looked up travels with the query, and is in memory a few times meanwhile."""

_TOKEN_BYTES = 8


@dataclass(frozen=True, slots=True)
class FinishedRows:
    """Rows as they stand in the file."""

    buffers: Iterator[memoryview]
    _written: RowBytes

    @property
    def rows(self) -> int:
        """How many there are, known when all buffers have been read."""
        return self._written.rows


class WrittenChunk:
    """One chunk, of which ClickHouse writes the rows."""

    def __init__(self, reader: ChunkReader, query: ExportQuery, chunk: Chunk, keys: Keys) -> None:
        self._reader = reader
        self._query = query
        self._chunk = chunk
        self._keys = keys

    @contextmanager
    def rows(self, layout: "Layout") -> Iterator[FinishedRows | None]:
        """The rows; None where they have to be made in this process.

        That is so where the columns that are looked up are too many bytes to be sent along, and
        where the query would be longer than the server reads.
        """
        template = self._template(layout)
        wanted = template.statement(bound_rows(self._query, self._chunk, self._keys))
        if not wanted.fits(SENT_MAX_BYTES):
            yield None
            return
        with self._reader.written(wanted) as written:
            yield FinishedRows(template.finished(written.buffers), written)

    def _template(self, layout: "Layout") -> "RowTemplate":
        # Imported late: with it comes Arrow, which the daemon and the web server never need.
        from lf_export_pipeline.core.formats.marks import Marks  # noqa: PLC0415
        from lf_export_pipeline.core.formats.template import RowTemplate  # noqa: PLC0415
        from lf_export_pipeline.core.formats.templates import punctuation_of  # noqa: PLC0415

        tables = self._reader.lookup_tables(self._query, self._chunk, self._keys)
        return RowTemplate(
            punctuation_of(self._query.request.format, layout),
            self._query.columns,
            [table.looked_up for table in tables],
            Marks(secrets.token_hex(_TOKEN_BYTES)),
        )


def written_layout(query: ExportQuery, settings: Settings, reader: ChunkReader) -> "Layout | None":
    """The layout of rows that ClickHouse writes; None where they are serialised here."""
    rows = query.chunk_rows
    if settings.lf_export_rows != "clickhouse" or rows is None or not _is_written(query):
        return None
    is_taken = reader.takes_written(rows.store, query.request.format)
    return layout_of(query) if is_taken else None


def _is_written(query: ExportQuery) -> bool:
    """Whether ClickHouse holds the rows, and no lookup needs what another one has found."""
    rows = query.chunk_rows
    found = {name for lookup in query.lookups for name in lookup.defaults}
    return (
        rows is not None
        and rows.store is not Store.POSTGRES
        and found.isdisjoint(lookup.key for lookup in query.lookups)
        and bool(query.score_columns) <= (SCORE_CELLS in found)
    )
