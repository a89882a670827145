"""A bucket and a reader whose calls can be counted, interrupted and interleaved."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Self

import pyarrow as pa

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Bucket, ByteSource, RowReader
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.stored_objects import StoredObject, UploadedObject

BeforeCall = Callable[[], None]


class KilledError(BaseException):
    """The process is gone; nothing that it would have done is done."""


def killed_before(number: int) -> BeforeCall:
    """Ends the process before its call of that number, the first being 0."""
    left = number

    def before() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError

    return before


class Turns:
    """Lets two processes make their calls in an order; when one has ended, the other goes on.

    Args:
        order: Who makes each call, 0 or 1; from its end on both make them as they come.
    """

    def __init__(self, order: list[int]) -> None:
        self._order = order
        self._ended: set[int] = set()
        self._changed = threading.Condition()

    def of(self, who: int) -> BeforeCall:
        """Waits until it is the turn of this one."""

        def before() -> None:
            with self._changed:
                self._changed.wait_for(lambda: self._may(who), timeout=60)
                if self._order:
                    self._order.pop(0)
                self._changed.notify_all()

        return before

    def end(self, who: int) -> None:
        """This one makes no more calls."""
        with self._changed:
            self._ended.add(who)
            self._changed.notify_all()

    def _may(self, who: int) -> bool:
        return not self._order or self._order[0] == who or 1 - who in self._ended


class InterruptedBucket:
    """A bucket with something before each of its calls.

    Attributes:
        uploads: The keys of the objects that were written.
        lost: How many of the next answers to writing calls are lost.
    """

    def __init__(self, bucket: Bucket, before: BeforeCall, lost: int = 0) -> None:
        self.uploads: list[str] = []
        self.lost = lost
        self._bucket = bucket
        self._before = before

    def upload(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        self._before()
        stored = self._bucket.upload(key, source, content_type, expected_bytes)
        self.uploads.append(key)
        self._answer()
        return stored

    def read(self, key: str) -> bytes | None:
        self._before()
        return self._bucket.read(key)

    def head(self, key: str) -> StoredObject | None:
        self._before()
        return self._bucket.head(key)

    def delete(self, key: str) -> None:
        self._before()
        self._bucket.delete(key)
        self._answer()

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        self._before()
        return self._bucket.listed(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self._before()
        return self._bucket.folders(prefix)

    def _answer(self) -> None:
        if self.lost:
            self.lost -= 1
            raise TransientError("The bucket's service did not answer.")


class InterruptedReader:
    """A ``RowReader`` with something before each of its calls."""

    def __init__(self, reader: RowReader, before: BeforeCall) -> None:
        self._reader = reader
        self._before = before

    def tagged(self, **tags: str) -> Self:
        return type(self)(self._reader.tagged(**tags), self._before)

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        self._before()
        with self._reader.batches(statement) as batches:
            yield batches

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        self._before()
        return self._reader.rows(statement)

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:
        return self._reader.takes_written(store, export_format)

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        self._before()
        return self._reader.written(wanted)
