"""From the batches that servers send to those of the one schema that a table has."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats.typed_cells import Converter

_GREATEST = (1 << 63) - 1


class TypedBatches:
    """Makes batches fit a schema; a column that is not sent is null.

    Attributes:
        rows: How many there were so far.
        unfit: By column, how many values have become null as they do not fit its type.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.rows = 0
        self.unfit = Counter[str]()
        self._schema = schema

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows."""
        self.rows += batch.num_rows
        arrays = [self._column(batch, field) for field in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _column(self, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        at = batch.schema.get_field_index(field.name)
        if at < 0:
            return pa.nulls(batch.num_rows, field.type)
        array = batch.column(at)
        if pa.types.is_null(array.type):
            return pa.nulls(batch.num_rows, field.type)
        if pa.types.is_string(array.type) and not pa.types.is_string(field.type):
            return self._parsed(array, field)
        return self._fitted(array, field.type, field.name)

    def _parsed(self, texts: pa.Array, field: pa.Field) -> pa.Array:
        converter = Converter(field.type)
        found = converter(texts.cast(pa.large_string()))
        self._count(field.name, converter.unfit)
        return found

    def _fitted(self, array: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
        if pa.types.is_map(kind):
            keys = self._fitted(array.keys, kind.key_type, name)
            items = self._fitted(array.items, kind.item_type, name)
            return pa.MapArray.from_arrays(array.offsets, keys, items, type=kind)
        if pa.types.is_list(kind):
            values = self._fitted(array.values, kind.value_type, name)
            return pa.ListArray.from_arrays(array.offsets, values, type=kind)
        if array.type == pa.uint64() and kind == pa.int64():
            return self._signed(array, name)
        if pa.types.is_timestamp(kind) and pa.types.is_integer(array.type):
            return array.cast(pa.timestamp(kind.unit)).cast(kind)
        return array.cast(kind)

    def _signed(self, array: pa.Array, name: str) -> pa.Array:
        fits = pc.less_equal(array, pa.scalar(_GREATEST, pa.uint64()))
        self._count(name, pc.sum(pc.invert(fits)).as_py() or 0)
        return pc.if_else(fits, array, pa.scalar(None, pa.uint64())).cast(pa.int64())

    def _count(self, name: str, number: int) -> None:
        if number:
            self.unfit[name] += number
