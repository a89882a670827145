"""CSV as Langfuse writes it: every field in quotes, LF after every row, no byte order mark."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats import text
from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.pretty import indent_json
from lf_export_pipeline.core.formats.score_tail import ScoreTail
from lf_export_pipeline.core.formats.writer import Layout, PartEnding, PlainPart, slices, writes
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat

_UNSEEN: Final = r"[\s\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]"
_SIGNS: Final = r"[=+\-@\u2212\uFF1D\uFF0B\uFF0D\uFF20\uFE66\uFE62\uFE63\uFE6B]"
_FORMULA: Final = rf"\A({_UNSEEN}*{_SIGNS}|[\t\r\x00])"
"""OWASP's list, and the full-width and small signs that spreadsheets in Chinese and Japanese read
alike; also after what no one sees, which a spreadsheet or the next program may trim."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_USER_TEXT: Final = frozenset({Kind.TEXT, Kind.MAYBE_JSON})
_JSON_TEXT: Final = frozenset({Kind.JSON, Kind.PRETTY_JSON})


@writes(ExportFormat.CSV)
class CsvWriter(PlainPart):
    """A header row, then one row per record; stateless, hence its own part encoder.

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
        header = pa.array([*names, *self._layout.score_columns], text.TEXT)
        if self._options.guard_formulas:
            header = _guarded(header, None)
        fields = _escaped(header).to_pylist()
        mark = _BYTE_ORDER_MARK if self._options.byte_order_mark else b""
        return mark + ('"' + '","'.join(fields) + '"\n').encode()

    @property
    def empty(self) -> bytes:
        """Nothing, or the header."""
        return self.prefix if self._options.empty_header else b""

    def end(self, endings: Sequence[PartEnding]) -> bytes:  # noqa: ARG002 - parts leave none
        """Nothing."""
        return b""

    def part(self) -> "CsvWriter":
        """This object: no row depends on the rows before it."""
        return self

    def rows(self, batch: pa.RecordBatch) -> Iterator[text.Rows]:
        """The rows of a batch, each with its line end."""
        overhead = self._tail.size + 3 * len(self._layout.columns)
        for piece in slices(batch, overhead):
            yield text.written(self._lines(piece), piece.num_rows)

    def _lines(self, batch: pa.RecordBatch) -> text.Fragment:
        # One separator between all fields takes half the time of a quote on either side of each.
        fields = [self._field(batch, column) for column in self._layout.columns]
        fields[0] = text.join(['"', fields[0]], null="")
        fields[-1] = text.join([fields[-1], '"', self.tail(batch), "\n"], null="")
        return text.join(fields, null="", separator='","')

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> text.Fragment:
        """Neighbouring fields of each row, without the first and the last quote."""
        fields = [self._field(batch, column) for column in columns]
        return text.join(fields, null="", separator='","')

    def tail(self, batch: pa.RecordBatch) -> text.Fragment:
        """The score columns of each row, each with the comma before it."""
        return self._tail.fragment(batch, double_quotes=True)

    def _field(self, batch: pa.RecordBatch, column: OutputColumn) -> text.Fragment:
        if batch.column(column.name).null_count == batch.num_rows:
            return ""
        array = text.text_column(batch, column.name)
        if column.kind is Kind.QUOTED:
            quotes = "" if self._options.plain_instants else '""'
            return text.join([quotes, array, quotes], null=None)
        array = decode_escapes(array, json_text=column.kind in _JSON_TEXT)
        if column.kind is Kind.PRETTY_JSON:
            array = _indented(array)
        if self._options.guard_formulas and column.kind in _USER_TEXT:
            array = _guarded(array, _numbers(array, batch, column))
        return _escaped(array)


def _guarded(array: pa.LargeStringArray, numbers: pa.BooleanArray | None) -> pa.LargeStringArray:
    guarded = text.replace_first(array, _FORMULA, "'${1}")
    return guarded if numbers is None else pc.if_else(numbers, array, guarded)


def _numbers(
    array: pa.LargeStringArray, batch: pa.RecordBatch, column: OutputColumn
) -> pa.BooleanArray | None:
    """Which cells are JSON and begin with a minus, hence numbers; None where none can be."""
    if column.kind is not Kind.MAYBE_JSON:
        return None
    is_json = pc.fill_null(batch.column(column.name + JSON_FLAG_SUFFIX), fill_value=False)
    return pc.and_(is_json, pc.fill_null(pc.starts_with(array, "-"), fill_value=False))


def _escaped(array: pa.LargeStringArray) -> pa.LargeStringArray:
    return text.replace(array, '"', '""') if text.contains(array, '"') else array


def _indented(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """The column with its JSON indented; most cells are an empty list and need no work."""
    filled = pc.fill_null(pc.not_equal(array, pa.scalar("[]", text.TEXT)), fill_value=False)
    if filled.true_count == 0:
        return array
    cells = [indent_json(cell) for cell in array.filter(filled).to_pylist()]
    return pc.replace_with_mask(array, filled, pa.array(cells, text.TEXT))
