"""Reads the rows of one project and day, however many, in pages of bounded size."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.layout import ChosenColumns
from lf_export_pipeline.lake.row_digest import RowDigest
from lf_export_pipeline.lake.statements import HASH, KEY, Reading

FIRST_PAGE_ROWS: Final = 5_000
PAGE_ROWS_MAX: Final = 250_000
PAGE_BYTES: Final = 256 * 1024 * 1024
"""A query has a bound of time on the server; what one page holds is read in seconds."""


@dataclass(frozen=True, slots=True)
class RowReading:
    """The rows of one place.

    Attributes:
        reader: Of the stores.
        reading: Of the source.
        place: Whose rows.
        chosen: Which columns.
        without: The keys of rows that are left out.
        maps_as_json: Whether maps come as text.
        digest: Of all rows that were read, also of those that are left out.
    """

    reader: RowReader
    reading: Reading
    place: Place
    chosen: ChosenColumns
    without: frozenset[str] = frozenset()
    maps_as_json: bool = False
    digest: RowDigest = field(default_factory=RowDigest)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """In the order of the sorting key; each page begins behind the last key of the one before.

        Raises:
            TransientError: A server failed; nothing that was read is complete then.
        """
        after: str | None = None
        # A cursor of Postgres gives any number of rows, a few at a time.
        limit = None if self.reading.source.is_postgres else FIRST_PAGE_ROWS
        while True:
            page = _Page()
            for batch in self._page(after, limit):
                page.add(batch)
                self.digest.add(batch.column(HASH))
                yield self._kept(batch)
            if limit is None or page.rows < limit:
                return
            after, limit = page.last_key, page.rows_of_next

    def _page(self, after: str | None, limit: int | None) -> Iterator[pa.RecordBatch]:
        statement = self.reading.rows(
            self.place,
            self.chosen.read,
            after=after,
            limit=limit,
            maps_as_json=self.maps_as_json,
        )
        with self.reader.batches(statement) as batches:
            yield from batches

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.without:
            left_out = pc.is_in(batch.column(KEY), value_set=pa.array(sorted(self.without)))
            batch = batch.filter(pc.invert(left_out))
        return batch.drop_columns([KEY, HASH])


class _Page:
    """What has come of a page."""

    def __init__(self) -> None:
        self.rows = self._bytes = 0
        self.last_key: str | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._bytes += batch.nbytes
        if batch.num_rows:
            self.last_key = batch.column(KEY)[-1].as_py()

    @property
    def rows_of_next(self) -> int:
        """As many as are likely to have the size of a page."""
        return max(1, min(PAGE_ROWS_MAX, PAGE_BYTES * self.rows // max(1, self._bytes)))
