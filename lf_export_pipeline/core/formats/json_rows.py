"""Records as JSON objects, shared by the formats that consist of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from json.encoder import encode_basestring
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats.batches_of_cells import json_strings
from lf_export_pipeline.core.formats.cells import one_line
from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.numbers import double, readable_numbers
from lf_export_pipeline.core.formats.score_tail import ScoreTail
from lf_export_pipeline.core.formats.text import Rows, cells_of, text_column, written
from lf_export_pipeline.core.formats.writer import Layout, slices
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn

_NULL: Final = b"null"


class JsonRows:
    """Each row as a compact JSON object with its keys in the order of the columns."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        keys = [f"{_string(column.name)}:" for column in layout.columns]
        self.keys = [key if position == 0 else f",{key}" for position, key in enumerate(keys)]
        scores = [f",{_string(name)}:" for name in layout.score_columns]
        self._tail = ScoreTail([f"{key}null" for key in scores], scores)
        self._overhead = self._tail.size + sum(len(key) + 2 for key in keys)

    def rows(self, batch: pa.RecordBatch, before: str, after: str) -> Iterator[Rows]:
        """The bytes of all rows of a batch; ``before`` and ``after`` surround each row."""
        begin, end = before.encode() + b"{", b"}" + after.encode()
        for piece in slices(batch, self._overhead):
            members = self._members(piece, self._layout.columns)
            objects = zip(repeat(begin), *members, self.tail(piece), repeat(end), strict=False)
            yield written([b"".join(each) for each in objects])

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> list[bytes]:
        """Neighbouring members of each object, without the first key."""
        _, *members = self._members(batch, columns)
        return [b"".join(each) for each in zip(*members, strict=False)]

    def _members(
        self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]
    ) -> list[Iterable[bytes]]:
        """Of each column its key and its values."""
        members: list[Iterable[bytes]] = []
        for column in columns:
            key = self.keys[self._layout.columns.index(column)]
            members += [repeat(key.encode()), _values(batch, column)]
        return members

    def tail(self, batch: pa.RecordBatch) -> list[bytes]:
        """The score columns of each object, each with the comma before it."""
        return [one_line(each) for each in self._tail.of(batch, double_quotes=False)]


def _values(batch: pa.RecordBatch, column: OutputColumn) -> list[bytes]:
    if batch.column(column.name).null_count == batch.num_rows:
        return [_NULL] * batch.num_rows
    array = text_column(batch, column.name)
    match column.kind:
        case Kind.TEXT | Kind.QUOTED:
            return _strings(array)
        case Kind.JSON | Kind.PRETTY_JSON:
            return _readable(array)
        case Kind.DOUBLE:
            return [cell if cell is _NULL else double(cell) for cell in cells_of(array, _NULL)]
        case Kind.MAYBE_JSON:
            return _json_or_strings(array, batch.column(column.name + JSON_FLAG_SUFFIX))


def _strings(array: pa.LargeStringArray) -> list[bytes]:
    strings = iter(json_strings(cells_of(array.drop_null(), _NULL)))
    if not array.null_count:
        return list(strings)
    return [next(strings) if is_valid else _NULL for is_valid in array.is_valid().to_pylist()]


def _json_or_strings(array: pa.LargeStringArray, flags: pa.BooleanArray) -> list[bytes]:
    """JSON on one line where the flag says so, a JSON string elsewhere."""
    is_json = pc.fill_null(flags, fill_value=False)
    strings = iter(_strings(array.filter(pc.invert(is_json))))
    embedded = iter(_embedded(array.filter(is_json)))
    return [next(embedded) if flag else next(strings) for flag in is_json.to_pylist()]


def _embedded(array: pa.LargeStringArray) -> list[bytes]:
    """JSON text as it is written among other JSON; line breaks stand only between its tokens."""
    return [cell.replace(b"\n", b"").replace(b"\r", b"") for cell in _readable(array)]


def _readable(array: pa.LargeStringArray) -> list[bytes]:
    """JSON text without escapes and numbers that make a reader refuse the file."""
    cells = cells_of(readable_numbers(decode_escapes(array, json_text=True)), _NULL)
    return [one_line(cell) for cell in cells]


def _string(name: str) -> str:
    return one_line(encode_basestring(name).encode()).decode()
