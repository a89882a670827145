"""Records as JSON objects, shared by the formats that consist of them."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats import text
from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.numbers import doubles, readable_numbers
from lf_export_pipeline.core.formats.score_tail import ScoreTail
from lf_export_pipeline.core.formats.writer import Layout, slices
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn

_LINE_ENDS: Final = {"\u2028": r"\u2028", "\u2029": r"\u2029", "\x85": r"\u0085"}
"""Line ends to Python's ``splitlines`` and to many editors, which would cut a row of JSONL."""


class JsonRows:
    """Each row as a compact JSON object with its keys in the order of the columns."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        names = [column.name for column in layout.columns]
        keys = [f"{_json_string(name)}:" for name in names]
        self.keys = [key if position == 0 else f",{key}" for position, key in enumerate(keys)]
        scores = [f",{_json_string(name)}:" for name in layout.score_columns]
        self._tail = ScoreTail([f"{key}null" for key in scores], scores)
        self._overhead = self._tail.size + sum(len(key) + 2 for key in keys)

    def rows(self, batch: pa.RecordBatch, before: str, after: str) -> Iterator[text.Rows]:
        """The bytes of all rows of a batch; ``before`` and ``after`` surround each row."""
        for piece in slices(batch, self._overhead):
            yield text.written(self._objects(piece, before, after), piece.num_rows)

    def _objects(self, batch: pa.RecordBatch, before: str, after: str) -> text.Fragment:
        fragments: list[text.Fragment] = [before + "{"]
        for key, column in zip(self.keys, self._layout.columns, strict=True):
            fragments += [key, *_value(batch, column)]
        tail = self._tail.fragment(batch, double_quotes=False)
        return _one_line(text.join([*fragments, tail, "}" + after], null="null"))

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> text.Fragment:
        """Neighbouring members of each object, without the first key."""
        fragments: list[text.Fragment] = []
        for column in columns:
            key = [self.keys[self._layout.columns.index(column)]] if fragments else []
            fragments += [*key, *_value(batch, column)]
        return _one_line(text.join(fragments, null="null"))

    def tail(self, batch: pa.RecordBatch) -> text.Fragment:
        """The score columns of each object, each with the comma before it."""
        return _one_line(self._tail.fragment(batch, double_quotes=False))


def _value(batch: pa.RecordBatch, column: OutputColumn) -> list[text.Fragment]:
    if batch.column(column.name).null_count == batch.num_rows:
        return ["null"]
    array = text.text_column(batch, column.name)
    match column.kind:
        case Kind.TEXT:
            return text.json_strings(decode_escapes(array, json_text=False))
        case Kind.QUOTED:
            return text.json_strings(array)
        case Kind.JSON | Kind.PRETTY_JSON:
            return [_readable(array)]
        case Kind.DOUBLE:
            return [doubles(array)]
        case Kind.MAYBE_JSON:
            return _json_or_string(array, batch.column(column.name + JSON_FLAG_SUFFIX))


def _json_or_string(array: pa.LargeStringArray, flags: pa.BooleanArray) -> list[text.Fragment]:
    """JSON on one line where the flag says so, a JSON string elsewhere."""
    is_json = pc.fill_null(flags, fill_value=False)
    if is_json.true_count == 0:
        return text.json_strings(decode_escapes(array, json_text=False))
    is_text = pc.and_(pc.invert(is_json), array.is_valid())
    if is_text.true_count == 0:
        return [_embedded(array)]
    strings = decode_escapes(array.filter(is_text), json_text=False)
    embedded = _embedded(pc.if_else(is_text, None, array))
    encoded = text.join(text.json_strings(strings), null="null")
    return [pc.replace_with_mask(embedded, is_text, encoded)]


def _embedded(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """JSON text as it is written among other JSON; line breaks stand only between its tokens."""
    for line_break in "\n\r":
        if text.contains(array, line_break):
            array = text.replace(array, line_break, "")
    return _readable(array)


def _readable(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """JSON text without escapes and numbers that make a reader refuse the file."""
    return readable_numbers(decode_escapes(array, json_text=True))


def _one_line(rows: text.Fragment) -> text.Fragment:
    """The rows with what Unicode calls line ends as escapes: they stand only within strings."""
    if isinstance(rows, str):
        return rows
    for line_end, escape in _LINE_ENDS.items():
        if text.holds(rows, line_end):
            rows = text.replace(rows, line_end, escape)
    return rows


def _json_string(name: str) -> str:
    written = json.dumps(name, ensure_ascii=False)
    for line_end, escape in _LINE_ENDS.items():
        written = written.replace(line_end, escape)
    return written
