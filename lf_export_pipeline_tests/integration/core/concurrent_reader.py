"""A reader that lets all writers come in while an export is under way."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Self

import pyarrow as pa

from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.integration.core.concurrent_writers import Busy

RESULTS = 8


class BesideWriters:
    """A ``RowReader`` that before some results waits until every writer has done something more.

    So it is certain, however slow the machine is, that rows are inserted, changed, deleted and
    merged after the scan and before the last chunk.
    """

    def __init__(self, reader: RowReader, busy: Busy, asked: Iterator[int] | None = None) -> None:
        self._reader = reader
        self._busy = busy
        self._asked = asked or count()

    def tagged(self, **tags: str) -> Self:
        """The same reader with these tags."""
        return type(self)(self._reader.tagged(**tags), self._busy, self._asked)

    def batches(self, statement: Statement) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The first result is that of the scan."""
        asked = next(self._asked)
        if asked == 1:
            self._busy.at_scan = dict(self._busy.deeds)
        if asked % RESULTS == 1:
            self._busy.await_everyone()
        return self._reader.batches(statement)

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:
        """As the reader's."""
        return self._reader.takes_written(store, export_format)

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        """Rows come after the scan."""
        if next(self._asked) % RESULTS == 1:
            self._busy.await_everyone()
        return self._reader.written(wanted)

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        """What is asked before the scan, and counts."""
        return self._reader.rows(statement)
