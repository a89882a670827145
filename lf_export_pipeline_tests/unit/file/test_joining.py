import pyarrow as pa

from lf_export_pipeline.core.query.columns import SCORE_CELLS, SCORE_INDEXES
from lf_export_pipeline.core.query.export_query import Lookup, LookupScope
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.file.joining import LookupTable, distinct_keys


def lookup(**defaults: str | None) -> Lookup:
    statement = Statement(store=Store.CLICKHOUSE, sql="SELECT 1")
    return Lookup(key="id", scope=LookupScope.CHUNK, statement=statement, defaults=defaults)


def rows(*ids: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": pa.array(ids, pa.string())})


def test_rows_keep_their_order_and_unmatched_ones_get_the_default() -> None:
    found = pa.RecordBatch.from_pydict({"key": ["b", "a"], "name": ["Bert", "Ada"]})
    table = LookupTable(lookup(name="nobody"), [found])

    joined = table.joined(rows("a", "x", "b", "a", None))

    assert joined.column("name").to_pylist() == ["Ada", "nobody", "Bert", "Ada", "nobody"]


def test_default_may_be_null() -> None:
    found = pa.RecordBatch.from_pydict({"key": ["a"], "name": ["Ada"]})

    joined = LookupTable(lookup(name=None), [found]).joined(rows("x", "a"))

    assert joined.column("name").to_pylist() == [None, "Ada"]


def test_a_match_without_a_value_is_null_and_not_the_default() -> None:
    found = pa.RecordBatch.from_pydict({"key": ["a"], "name": pa.array([None], pa.string())})

    joined = LookupTable(lookup(name="nobody"), [found]).joined(rows("a"))

    assert joined.column("name").to_pylist() == [None]


def test_lookup_that_finds_nothing_gives_defaults_and_empty_lists() -> None:
    table = LookupTable(lookup(**{"name": "-", SCORE_INDEXES: None, SCORE_CELLS: None}), [])

    joined = table.joined(rows("a", "b"))

    assert joined.column("name").to_pylist() == ["-", "-"]
    assert joined.column(SCORE_INDEXES).to_pylist() == [[], []]
    assert joined.schema.field(SCORE_INDEXES).type == pa.list_(pa.uint32())


def test_score_cells_stay_with_their_rows() -> None:
    found = pa.RecordBatch.from_pydict(
        {
            "key": ["b"],
            SCORE_INDEXES: pa.array([[0, 2]], pa.list_(pa.uint32())),
            SCORE_CELLS: pa.array([["[1]", "[2]"]], pa.list_(pa.string())),
        }
    )
    table = LookupTable(lookup(**{SCORE_INDEXES: None, SCORE_CELLS: None}), [found])

    joined = table.joined(rows("a", "b"))

    assert joined.column(SCORE_INDEXES).to_pylist() == [[], [0, 2]]
    assert joined.column(SCORE_CELLS).to_pylist() == [[], ["[1]", "[2]"]]


def test_a_batch_without_rows_gets_the_columns_too() -> None:
    joined = LookupTable(lookup(name=None), []).joined(rows())

    assert joined.schema.names == ["id", "name"]


def test_distinct_keys_leave_null_out() -> None:
    assert distinct_keys(lookup(), rows("a", None, "b", "a")) == ["a", "b"]
