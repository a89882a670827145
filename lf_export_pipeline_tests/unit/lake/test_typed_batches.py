"""Batches of servers become those of one schema; what does not fit is null and counted."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa

from lf_export_pipeline.lake.layout import LakeLayout
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.lake.typed_batches import TypedBatches

MOMENT = datetime(2026, 11, 28, 1, 2, 3, 456000, tzinfo=UTC)


def one(kind: pa.DataType, array: pa.Array) -> tuple[object, int]:
    convert = TypedBatches(pa.schema([pa.field("c", kind)]))
    found = convert(pa.RecordBatch.from_arrays([array], names=["c"]))
    assert found.schema.field("c").type == kind
    return found.column("c")[0].as_py(), convert.unfit["c"]


def test_instants_of_both_stores() -> None:
    kind = pa.timestamp("us", "UTC")
    milliseconds = pa.array([MOMENT], pa.timestamp("ms", "UTC"))
    micros = pa.array([int(MOMENT.timestamp() * 1_000_000)], pa.int64())
    assert one(kind, milliseconds) == one(kind, micros) == (MOMENT, 0)


def test_usage_beyond_63_bits_is_null_and_counted() -> None:
    kind = pa.map_(pa.string(), pa.int64())
    usage = pa.array([[("a", (1 << 63) - 1), ("b", 1 << 63)]], pa.map_(pa.string(), pa.uint64()))
    assert one(kind, usage) == ([("a", (1 << 63) - 1), ("b", None)], 1)


def test_costs_keep_their_digits() -> None:
    kind = pa.map_(pa.string(), pa.decimal128(18, 12))
    cost = Decimal("0.000000000001")
    assert one(kind, pa.array([[("a", cost)]], kind)) == ([("a", cost)], 0)


def test_lists_and_texts_of_postgres() -> None:
    assert one(pa.list_(pa.string()), pa.array(['["a", "b"]'])) == (["a", "b"], 0)
    assert one(pa.bool_(), pa.array([None], pa.string())) == (None, 0)


def test_a_column_that_is_not_sent_is_null() -> None:
    schema = LakeLayout().schema(LAKE_TABLES["observations"])
    batch = pa.RecordBatch.from_arrays([pa.array(["a"]), pa.nulls(1)], names=["id", "latency"])
    (row,) = TypedBatches(schema)(batch).to_pylist()
    assert {name for name, value in row.items() if value is not None} == {"id"}


def test_maps_can_be_text() -> None:
    table = LAKE_TABLES["observations"]
    plain, texts = LakeLayout().schema(table), LakeLayout(maps="json").schema(table)
    maps = {field.name for field in plain if pa.types.is_map(field.type)}
    assert {field.name for field in plain if field not in texts} == maps
    assert all(pa.types.is_string(texts.field(name).type) for name in maps)
    assert LakeLayout().schema_id(table) != LakeLayout(maps="json").schema_id(table)
