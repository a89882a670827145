"""CSV as Langfuse writes it: every field in quotes, LF after every row, no byte order mark."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.formulas import guarded
from lf_export_pipeline.core.formats.pretty import indent_json
from lf_export_pipeline.core.formats.score_tail import ScoreTail
from lf_export_pipeline.core.formats.text import (
    Rows,
    cells_of,
    finished_where,
    text_column,
    written,
)
from lf_export_pipeline.core.formats.writer import ChunkEnding, Layout, PlainChunk, slices, writes
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_USER_TEXT: Final = frozenset({Kind.TEXT, Kind.MAYBE_JSON})
_JSON_TEXT: Final = frozenset({Kind.JSON, Kind.PRETTY_JSON})


@writes(ExportFormat.CSV)
class CsvWriter(PlainChunk):
    """A header row, then one row per record; stateless, hence its own chunk encoder.

    Langfuse: null is an empty field, instants and decimals carry the quotes of a JSON string,
    line breaks within a field stay as they are, and a file without rows has no header either.
    """

    content_type = "text/csv; charset=utf-8"
    extension = "csv"
    separator = b""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        count = len(layout.score_columns)
        self._options = layout.csv
        self._tail = ScoreTail([',""'] * count, [',"'] * count, '"')

    @cached_property
    def prefix(self) -> bytes:
        """The header row, after a byte order mark if one is wanted."""
        names = [column.name for column in self._layout.columns]
        header = [name.encode() for name in (*names, *self._layout.score_columns)]
        if self._options.guard_formulas:
            header = [guarded(name) for name in header]
        mark = _BYTE_ORDER_MARK if self._options.byte_order_mark else b""
        return mark + b'"' + b'","'.join(name.replace(b'"', b'""') for name in header) + b'"\n'

    @property
    def empty(self) -> bytes:
        """Nothing, or the header."""
        return self.prefix if self._options.empty_header else b""

    def end(self, endings: Sequence[ChunkEnding]) -> bytes:  # noqa: ARG002 - chunks leave none
        """Nothing."""
        return b""

    def encoder(self) -> "CsvWriter":
        """This object: no row depends on the rows before it."""
        return self

    def rows(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        """The rows of a batch, each with its line end."""
        overhead = self._tail.size + 3 * len(self._layout.columns)
        for piece in slices(batch, overhead):
            lines = self.cells(piece, self._layout.columns)
            ends = zip(lines, self.tail(piece), strict=True)
            yield written([b'"%b"%b\n' % line for line in ends])

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> list[bytes]:
        """Neighbouring fields of each row, without the first and the last quote."""
        fields = [self._field(batch, column) for column in columns]
        return [b'","'.join(row) for row in zip(*fields, strict=True)]

    def tail(self, batch: pa.RecordBatch) -> list[bytes]:
        """The score columns of each row, each with the comma before it."""
        return self._tail.of(batch, double_quotes=True)

    def _field(self, batch: pa.RecordBatch, column: OutputColumn) -> list[bytes]:
        if batch.column(column.name).null_count == batch.num_rows:
            return [b""] * batch.num_rows
        array = text_column(batch, column.name)
        if column.kind is Kind.QUOTED:
            return self._quoted(array)
        array = decode_escapes(array, json_text=column.kind in _JSON_TEXT)
        if column.kind is Kind.PRETTY_JSON:
            array = _indented(array)
        has_quotes = pc.any(pc.match_substring_regex(array, '"')).as_py()
        cells = cells_of(array, b"")
        if self._options.guard_formulas and column.kind in _USER_TEXT:
            pairs = zip(cells, _are_numbers(array, batch, column), strict=True)
            cells = [cell if is_number else guarded(cell) for cell, is_number in pairs]
        return [cell.replace(b'"', b'""') for cell in cells] if has_quotes else cells

    def _quoted(self, array: pa.LargeStringArray) -> list[bytes]:
        quotes = b"" if self._options.plain_instants else b'""'
        cells = array.cast(pa.large_binary()).to_pylist()
        return [b"" if cell is None else quotes + cell + quotes for cell in cells]


def _are_numbers(
    array: pa.LargeStringArray, batch: pa.RecordBatch, column: OutputColumn
) -> list[bool]:
    """Of each cell whether it is JSON and begins with a minus, hence a number."""
    if column.kind is not Kind.MAYBE_JSON:
        return [False] * batch.num_rows
    is_json = batch.column(column.name + JSON_FLAG_SUFFIX)
    found = pc.and_(is_json, pc.starts_with(array, "-"))
    numbers: list[bool] = pc.fill_null(found, fill_value=False).to_pylist()
    return numbers


def _indented(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """The column with its JSON indented; most cells are an empty list and need no work."""
    filled = pc.not_equal(array, pa.scalar("[]", array.type))
    return finished_where(array, filled, lambda cells: [_indented_cell(each) for each in cells])


def _indented_cell(cell: bytes) -> bytes:
    return indent_json(cell.decode()).encode()
