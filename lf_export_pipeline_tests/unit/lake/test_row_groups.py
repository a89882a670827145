"""Row groups depend on the rows, not on the batches that they come in."""

import itertools

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.lake.row_groups import row_bytes, row_groups

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("number", pa.int64()),
        pa.field("texts", pa.list_(pa.string())),
        pa.field("map", pa.map_(pa.string(), pa.string())),
    ]
)

Row = tuple[str | None, list[str], list[tuple[str, str]]]

texts = st.text(max_size=8)
rows_of = st.tuples(
    st.none() | texts, st.lists(texts, max_size=3), st.lists(st.tuples(texts, texts), max_size=2)
)


def batch_of(rows: list[Row], start: int) -> pa.RecordBatch:
    columns = [
        pa.array([row[0] for row in rows], SCHEMA.field("text").type),
        pa.array(range(start, start + len(rows)), pa.int64()),
        pa.array([row[1] for row in rows], SCHEMA.field("texts").type),
        pa.array([row[2] for row in rows], SCHEMA.field("map").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def expected_bytes(row: Row) -> int:
    text, listed, pairs = row
    all_texts = [text or "", *listed, *(each for pair in pairs for each in pair)]
    return 8 + sum(len(each.encode()) for each in all_texts)


@given(st.lists(rows_of, max_size=12))
def test_the_bytes_of_a_row_are_those_of_its_values(rows: list[Row]) -> None:
    assert row_bytes(batch_of(rows, 0)).tolist() == [expected_bytes(row) for row in rows]


@given(st.lists(rows_of, max_size=30), st.sets(st.integers(0, 30)), st.integers(1, 6), st.data())
def test_groups_are_the_same_however_rows_come(
    rows: list[Row], cuts: set[int], rows_max: int, data: st.DataObject
) -> None:
    bytes_max = data.draw(st.integers(1, 120))
    ends = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    batches = [batch_of(rows[start:stop], start) for start, stop in itertools.pairwise(ends)]
    whole = [batch_of(rows, 0)] if rows else []
    cut = list(row_groups(batches, rows_max=rows_max, bytes_max=bytes_max))
    at_once = list(row_groups(whole, rows_max=rows_max, bytes_max=bytes_max))
    assert [group.to_pylist() for group in cut] == [group.to_pylist() for group in at_once]
    numbers = [number for group in cut for number in group["number"].to_pylist()]
    assert numbers == list(range(len(rows)))
    for group in cut:
        size = sum(expected_bytes(rows[number]) for number in group["number"].to_pylist())
        assert 1 <= group.num_rows <= rows_max
        assert size <= bytes_max or group.num_rows == 1
