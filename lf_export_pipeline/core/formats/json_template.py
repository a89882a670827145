"""Rows of JSON and JSONL as ClickHouse writes them; the rules are those of ``json_rows``.

ClickHouse writes a JSON string as JavaScript does, but for the letters in escapes of control
characters; and it takes what is JSON already as it is.
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from lf_export_pipeline.core.formats.batches_of_cells import (
    embedded_jsons,
    json_strings,
    json_values,
)
from lf_export_pipeline.core.formats.json_rows import JsonRows
from lf_export_pipeline.core.formats.marks import Marks
from lf_export_pipeline.core.formats.template import Field
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline.core.query.expressions import one_line
from lf_export_pipeline.core.query.key_scan import quoted

_LETTERED: Final = r"[\\x0b\\x0e\\x0f\\x1a-\\x1f]"
"""Control characters whose escape has a letter among its digits: ours is small."""

_BEFORE: Final = r"(?:^|[ \\t\\r\\n,:\\[])-?"
_LONG: Final = f"{_BEFORE}[0-9]{{19}}"
_EXPONENT: Final = rf"{_BEFORE}[0-9][0-9.]*[eE][+-]?[0-9]{{3}}"
"""Numbers that machine types may not hold; a look is taken at more than ``numbers`` changes."""

_LINE_ENDS: Final = (r"\xe2\x80\xa8", r"\xe2\x80\xa9", r"\xc2\x85")
_SHORTEST_HARD: Final = len(b'"\xc2\x85"')


class JsonTemplate:
    """One compact object per row, in the order of the columns."""

    quote = ""

    def __init__(self, layout: Layout, end: str, between: str) -> None:
        self._rows = JsonRows(layout)
        self.begin = "{"
        self.end = "}" + end
        self.between = between
        self.settings: dict[str, str] = {}

    def before(self, at: int) -> str:
        """The column's key, after a comma if it is not the first."""
        return self._rows.keys[at]

    def field(self, column: OutputColumn, marks: Marks, region: int) -> Field:
        """The cell as JSON."""
        cell = quoted(column.name)
        marked = marks.around(f"assumeNotNull({cell})", region)
        match column.kind:
            case Kind.TEXT:
                sql = f"if({_is_hard_text(cell)}, {marked}, {_string(cell)})"
                return Field(sql, "Raw", finish=(json_strings,))
            case Kind.QUOTED:
                return Field(_string(cell), "Raw")
            case Kind.JSON | Kind.PRETTY_JSON:
                sql = f"if({_is_hard_json(cell)}, {marked}, ifNull({cell}, 'null'))"
                return Field(sql, "Raw", finish=(json_values,))
            case Kind.DOUBLE:
                return Field(_double(cell, marked), "Raw")
            case Kind.MAYBE_JSON:
                is_json = f"{quoted(column.name + JSON_FLAG_SUFFIX)} AND isNotNull({cell})"
                marked_json = marks.around(f"assumeNotNull({cell})", region + 1)
                sql = (
                    f"multiIf({is_json} AND {_is_hard_json(cell)}, {marked_json}, "
                    f"{is_json}, assumeNotNull({one_line(cell)}), "
                    f"{_is_hard_among_json(cell)}, {marked}, {_string(cell)})"
                )
                return Field(sql, "Raw", finish=(json_strings, embedded_jsons))

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> list[bytes]:
        """The members as the writer of the format writes them, without the first key."""
        return self._rows.cells(batch, columns)

    def tail(self, batch: pa.RecordBatch) -> list[bytes]:
        """The score columns, each with the comma before it."""
        return self._rows.tail(batch)


def _string(cell: str) -> str:
    return f"ifNull(toJSONString({cell}), 'null')"


def _is_hard_text(cell: str) -> str:
    """Holds or gets escapes, or holds a line end, or what is no UTF-8.

    The string has to be made anyway, and shows all escapes to one look.
    """
    return f"(position({_string(cell)}, '\\\\u') > 0 OR {_has_other_rules(cell)})"


def _is_hard_among_json(cell: str) -> str:
    """As above, where only some cells become strings."""
    return (
        f"(position({cell}, '\\\\u') > 0 OR multiMatchAny({cell}, ['{_LETTERED}']) "
        f"OR {_has_other_rules(cell)})"
    )


def _has_other_rules(cell: str) -> str:
    return f"position({cell}, '{_LINE_ENDS[2]}') > 0 OR NOT isValidUTF8({cell})"


def _is_hard_json(cell: str) -> str:
    """Holds escapes, line ends, numbers that need a look, or what is no UTF-8."""
    line_ends = " OR ".join(f"position({cell}, '{each}') > 0" for each in _LINE_ENDS)
    return (
        f"(length({cell}) >= {_SHORTEST_HARD} AND (position({cell}, '\\\\u') > 0 OR {line_ends} "
        f"OR NOT isValidUTF8({cell}) OR multiMatchAny({cell}, ['{_LONG}', '{_EXPONENT}'])))"
    )


def _double(cell: str, marked: str) -> str:
    """A number with a fraction; whole ones that are long are written by this process."""
    is_long = f"length({cell}) > 18 AND match({cell}, '^-?[0-9]{{19,}}$')"
    return (
        f"multiIf(isNull({cell}), 'null', {is_long}, {marked}, "
        f"isNotNull(toInt64OrNull({cell})), concat(assumeNotNull({cell}), '.0'), "
        f"assumeNotNull({cell}))"
    )
