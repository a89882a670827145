import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.key_chunks import KeyChunk, KeyCutter


def batch(*keys: int) -> pa.RecordBatch:
    """Keys, each with its own text as a bound."""
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array(keys, pa.uint64()),
            "b0": pa.array([f"{key:04d}" for key in keys], pa.string()),
        }
    )


def cut(batches: list[pa.RecordBatch], rows: int, limit: int = 1_000) -> list[KeyChunk]:
    return list(KeyCutter(lambda _index: rows, limit).chunks(batches))


def test_chunks_are_cut_across_batches_and_keep_the_order() -> None:
    chunks = cut([batch(5, 1, 4), batch(), batch(2, 3)], rows=2)

    assert [chunk.keys.to_pylist() for chunk in chunks] == [[5, 1], [4, 2], [3]]


def test_bounds_are_the_smallest_and_greatest_value_of_the_chunk() -> None:
    (chunk,) = cut([batch(5, 1), batch(4)], rows=3)

    assert (chunk.lower, chunk.upper) == (("0001",), ("0005",))


def test_nothing_gives_no_chunk() -> None:
    assert cut([], rows=2) == cut([batch()], rows=2) == []


def test_each_chunk_may_have_a_length_of_its_own() -> None:
    cutter = KeyCutter(lambda index: index + 1, 1_000)

    assert [chunk.rows for chunk in cutter.chunks([batch(*range(7))])] == [1, 2, 3, 1]


@given(
    lengths=st.lists(st.integers(0, 9), max_size=8),
    rows=st.integers(1, 7),
    limit=st.integers(1, 40),
)
def test_all_keys_up_to_the_limit_are_in_exactly_one_chunk(
    lengths: list[int], rows: int, limit: int
) -> None:
    starts = [sum(lengths[:at]) for at in range(len(lengths))]
    batches = [
        batch(*range(start, start + length)) for start, length in zip(starts, lengths, strict=True)
    ]
    cutter = KeyCutter(lambda _index: rows, limit)

    chunks = list(cutter.chunks(batches))

    found = [key for chunk in chunks for key in chunk.keys.to_pylist()]
    assert found == list(range(min(sum(lengths), limit)))
    assert cutter.limit_hit == (sum(lengths) > limit)
    assert all(chunk.rows == rows for chunk in chunks[:-1])
