"""What every format offers, and the register in which each format enters itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

import pyarrow as pa

from lf_export_pipeline.core.formats.text import Rows
from lf_export_pipeline.core.query.columns import ColumnType, OutputColumn
from lf_export_pipeline.core.request.csv_options import AS_LANGFUSE, CsvOptions
from lf_export_pipeline.core.request.model import ExportFormat

SLICE_BYTES: Final = 5 * 1024 * 1024
"""Rows are turned to text in slices of about this size, so that neither 1 MB cells nor thousands
of score columns can multiply the memory that a batch takes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file, in order: first the base columns, then one column per score name."""

    columns: tuple[OutputColumn, ...]
    score_columns: tuple[str, ...] = ()
    csv: CsvOptions = AS_LANGFUSE
    score_types: tuple[ColumnType, ...] = ()  # of each score column, for formats that know types


class ChunkEncoder(Protocol):
    """Turns the batches of one chunk into bytes. One object per chunk, as it may hold state."""

    def rows(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        """The batch's rows, to be appended to the chunk in the order of the calls.

        What joins two rows of one chunk (the comma of JSON) is in these bytes, also between two
        batches; what joins two chunks is not. Each piece keeps its own memory alive, and a batch
        without rows gives no piece.
        """
        ...

    def finish(self) -> Iterator[Rows]:
        """What has been held back of the chunk's rows; called once, after the last batch."""
        ...

    @property
    def ending(self) -> bytes:
        """What the end of the file needs to know of this chunk; known when it is finished.

        It is kept in memory until the end of the file is made, so it has to be small.
        """
        ...

    @property
    def unfit(self) -> Mapping[str, int]:
        """How many values of which columns are missing because they do not fit their type."""
        ...


class PlainChunk:
    """The end of a chunk whose rows are all that there is to it."""

    ending = b""
    unfit: Mapping[str, int] = MappingProxyType({})

    def finish(self) -> Iterator[Rows]:
        """Nothing: each batch has been written when it came."""
        return iter(())


@dataclass(frozen=True, slots=True)
class ChunkEnding:
    """What a chunk has left for the end of the file."""

    begins_at: int
    """Where in the file the first byte of the chunk is."""

    data: bytes
    """As its encoder has given it; nothing if rows are all that there is to a chunk."""


class FormatWriter(Protocol):
    """One format of one file: ``prefix``, the chunks joined by ``separator``, then its end.

    A chunk without rows has no bytes and must not be joined; a file without any row is ``empty``
    and nothing else.
    """

    @property
    def content_type(self) -> str:
        """The MIME type that the object is stored with."""
        ...

    @property
    def extension(self) -> str:
        """The ending of the file's name, without a dot."""
        ...

    @property
    def prefix(self) -> bytes:
        """What stands before the first row."""
        ...

    @property
    def separator(self) -> bytes:
        """What stands between the last row of a chunk and the first row of the next one."""
        ...

    def end(self, endings: Sequence[ChunkEnding]) -> bytes:
        """What stands after the last row.

        Args:
            endings: Of all chunks in the order of the file, at least one. The same endings give the
                same bytes: they are made once to know the size of the file, and once to write it.
        """
        ...

    @property
    def empty(self) -> bytes:
        """The whole file when there are no rows."""
        ...

    def encoder(self) -> ChunkEncoder:
        """A fresh encoder, to be used for all batches of one chunk."""
        ...


WriterFactory = Callable[[Layout], FormatWriter]

WRITERS: Final[dict[ExportFormat, WriterFactory]] = {}
"""The formats that can be written; each module of this package adds its own."""


def writes(export_format: ExportFormat) -> Callable[[WriterFactory], WriterFactory]:
    """A decorator that enters a writer into the register under its format."""

    def register(factory: WriterFactory) -> WriterFactory:
        WRITERS[export_format] = factory
        return factory

    return register


def slices(batch: pa.RecordBatch, row_overhead: int) -> Iterator[pa.RecordBatch]:
    """The batch in slices of roughly ``SLICE_BYTES``; a row is never divided.

    Args:
        batch: Rows of any size.
        row_overhead: Bytes that the format adds to each row (keys, empty score columns).
    """
    if batch.num_rows == 0:
        return
    if batch.num_rows == 1 or batch.nbytes + batch.num_rows * row_overhead <= SLICE_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from slices(batch.slice(0, half), row_overhead)
    yield from slices(batch.slice(half), row_overhead)
