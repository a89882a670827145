"""The types of columns in Arrow, hence in Parquet."""

from typing import Final

import pyarrow as pa

from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.query.columns import ColumnType

INSTANT: Final = pa.timestamp("us", tz="UTC")
COST: Final = pa.decimal128(18, 12)

ARROW_TYPES: Final[dict[ColumnType, pa.DataType]] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.PAYLOAD: pa.string(),
    ColumnType.INSTANT: INSTANT,
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.USAGE: pa.uint64(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.COST: COST,
    ColumnType.COST_SUM: pa.decimal128(38, 12),
    ColumnType.TEXTS: pa.list_(pa.string()),
    ColumnType.DOUBLES: pa.list_(pa.float64()),
    ColumnType.BOOLEANS: pa.list_(pa.bool_()),
    ColumnType.TEXT_MAP: pa.map_(pa.string(), pa.string()),
    ColumnType.JSON_MAP: pa.map_(pa.string(), pa.string()),
    ColumnType.USAGE_MAP: pa.map_(pa.string(), pa.uint64()),
    ColumnType.COST_MAP: pa.map_(pa.string(), COST),
}


def schema_of(layout: Layout) -> pa.Schema:
    """The columns of a file: first the base columns, then the score columns; any may be null."""
    base = [(column.name, column.type) for column in layout.columns]
    scores = zip(layout.score_columns, layout.score_types, strict=True)
    return pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in (*base, *scores)])
