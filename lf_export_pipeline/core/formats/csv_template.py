"""Rows of CSV as ClickHouse writes them; the rules are those of ``csv_format``."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from lf_export_pipeline.core.formats.batches_of_cells import json_texts, plain_texts
from lf_export_pipeline.core.formats.csv_format import CsvWriter
from lf_export_pipeline.core.formats.marks import Marks
from lf_export_pipeline.core.formats.template import Field
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline.core.query.key_scan import quoted

_SURELY_NO_FORMULA: Final = "^[!-*,./0-<>?A-~]"
"""Begins with a character that is seen and is no sign."""


class CsvTemplate:
    """Every field in quotes, LF after every row."""

    begin = ""
    end = "\n"
    between = ""
    quote = '"'

    def __init__(self, layout: Layout) -> None:
        self._writer = CsvWriter(layout)
        self._options = layout.csv
        self.settings = {"format_csv_null_representation": '""'}

    def before(self, at: int) -> str:
        """A comma before all columns but the first; ClickHouse writes the quotes."""
        return "," if at else ""

    def field(self, column: OutputColumn, marks: Marks, region: int) -> Field:
        """The stored text; marked are escapes, what is no UTF-8, and what may be a formula."""
        cell = quoted(column.name)
        if column.kind is Kind.QUOTED:
            sql = cell if self._options.plain_instants else f"concat('\"', {cell}, '\"')"
            return Field(sql, "CSV")
        hard = f"position({cell}, '\\\\u') > 0 OR NOT isValidUTF8({cell})"
        marked = marks.around(cell, region)
        if column.kind is Kind.PRETTY_JSON:
            return Field(f"if({cell} != '[]', {marked}, {cell})", "CSV", is_doubled=True)
        if self._options.guard_formulas and column.kind in (Kind.TEXT, Kind.MAYBE_JSON):
            return _guarded(column, marks, region, hard)
        finish = json_texts if column.kind is Kind.JSON else plain_texts
        return Field(f"if({hard}, {marked}, {cell})", "CSV", finish=(finish,))

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> list[bytes]:
        """The columns as the writer of the format writes them, without the outer quotes."""
        return self._writer.cells(batch, columns)

    def tail(self, batch: pa.RecordBatch) -> list[bytes]:
        """The score columns, each with the comma before it."""
        return self._writer.tail(batch)


def _guarded(column: OutputColumn, marks: Marks, region: int, hard: str) -> Field:
    """What may be a formula is marked; JSON apart, where it may begin with a minus."""
    cell = quoted(column.name)
    hard += f" OR notEmpty({cell}) AND NOT match({cell}, '{_SURELY_NO_FORMULA}')"
    marked = marks.around(cell, region)
    if column.kind is Kind.MAYBE_JSON:
        flag = quoted(column.name + JSON_FLAG_SUFFIX)
        marked = f"if({flag}, {marks.around(cell, region + 1)}, {marked})"
    return Field(f"if({hard}, {marked}, {cell})", "CSV", is_doubled=True)
