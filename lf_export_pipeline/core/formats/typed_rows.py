"""The rows of a batch with types in place of text, in the columns of the file."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from lf_export_pipeline.core.formats import text
from lf_export_pipeline.core.formats.arrow_types import schema_of
from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.typed_cells import Converter
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.query.columns import (
    SCORE_CELLS,
    SCORE_INDEXES,
    ColumnType,
    Kind,
    OutputColumn,
)

_JSON_TEXT = frozenset({Kind.JSON, Kind.PRETTY_JSON})


class TypedRows:
    r"""Converts the batches of one chunk.

    Text is decoded as in CSV: what is ``\uXXXX`` in the store is a character in both. The
    values that CSV parses are texts here, so each is decoded by itself.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.schema = schema_of(layout)
        types = [*(column.type for column in layout.columns), *layout.score_types]
        self._converters = [
            Converter(field.type, has_json=each is ColumnType.JSON_MAP)
            for field, each in zip(self.schema, types, strict=True)
        ]

    @property
    def unfit(self) -> Counter[str]:
        """How many cells of each column do not fit its type, of those that have any."""
        found = zip(self.schema.names, self._converters, strict=True)
        return Counter({name: each.unfit for name, each in found if each.unfit})

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows, with one field per column of the file."""
        columns = [*self._base(rows), *self._scores(rows)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _base(self, rows: pa.RecordBatch) -> Iterator[pa.Array]:
        for column, convert in zip(self._layout.columns, self._converters, strict=False):
            yield self._column(rows, column, convert)

    def _column(self, rows: pa.RecordBatch, column: OutputColumn, convert: Converter) -> pa.Array:
        kind = self.schema.field(column.name).type
        if rows.column(column.name).null_count == rows.num_rows:
            return pa.nulls(rows.num_rows, kind)
        cells = text.text_column(rows, column.name)
        if column.type is ColumnType.JSON_MAP:
            return convert(cells)
        return convert(decode_escapes(cells, json_text=column.kind in _JSON_TEXT))

    def _scores(self, rows: pa.RecordBatch) -> Iterator[pa.Array]:
        """Most cells are null, so each column is made of the few that are not."""
        if not self._layout.score_columns:
            return
        lists = rows.column(SCORE_INDEXES)
        lengths = lists.value_lengths().fill_null(0).to_numpy()
        row_of = np.repeat(np.arange(rows.num_rows), lengths)
        index_of = lists.flatten().to_numpy()
        values = rows.column(SCORE_CELLS).flatten().cast(text.TEXT)
        values = decode_escapes(values, json_text=True)
        present = set(index_of.tolist())
        for index, convert in enumerate(self._converters[len(self._layout.columns) :]):
            kind = self.schema.field(len(self._layout.columns) + index).type
            if index not in present:
                yield pa.nulls(rows.num_rows, kind)
                continue
            of_column = np.flatnonzero(index_of == index)
            at = np.full(rows.num_rows, -1)
            at[row_of[of_column]] = np.arange(of_column.size)
            found = convert(values.take(pa.array(of_column)))
            yield found.take(pa.array(at, mask=at < 0))
