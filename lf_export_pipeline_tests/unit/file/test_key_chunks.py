import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.file.key_chunks import UNIT_ROWS, ScannedKeys

EVERYTHING = 1_000_000


def batch(*keys: int) -> pa.RecordBatch:
    """Keys, each with its own text as a bound."""
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array(keys, pa.uint64()),
            "b0": pa.array([f"{key:04d}" for key in keys], pa.string()),
        }
    )


def test_parts_go_across_batches_and_keep_the_order() -> None:
    keys = ScannedKeys([batch(5, 1, 4), batch(), batch(2, 3)], EVERYTHING)

    parts = [keys.part(0, 2), keys.part(2, 4), keys.part(4, 5)]

    assert [part.keys.to_pylist() for part in parts] == [[5, 1], [4, 2], [3]]


def test_range_of_a_part_is_that_of_the_thousands_of_rows_it_touches() -> None:
    keys = ScannedKeys([batch(*range(3 * UNIT_ROWS))], EVERYTHING)

    inside, across = keys.part(10, 20), keys.part(UNIT_ROWS - 1, UNIT_ROWS + 1)

    assert (inside.lower, inside.upper) == (("0000",), ("0999",))
    assert (across.lower, across.upper) == (("0000",), ("1999",))


def test_nothing_has_no_rows() -> None:
    assert ScannedKeys([], 1).rows == ScannedKeys([batch()], 1).rows == 0


@pytest.mark.parametrize(
    ("keys", "bindable"),
    [
        (pa.array([1, 2**64 - 1], pa.uint64()), np.array([1, 2**64 - 1], "<u8").tobytes()),
        (pa.array(["x", "y"]), ["x", "y"]),
    ],
)
def test_keys_are_bound_packed_or_as_texts(keys: pa.Array, bindable: object) -> None:
    scanned = ScannedKeys([pa.RecordBatch.from_pydict({"key": keys})], EVERYTHING)

    part = scanned.part(0, 2)

    assert (part.bindable, part.lower, part.upper) == (bindable, (), ())


@given(
    lengths=st.lists(st.integers(0, 9), max_size=8),
    rows=st.integers(1, 7),
    limit=st.integers(1, 40),
)
def test_all_keys_up_to_the_limit_are_there_and_in_their_ranges(
    lengths: list[int], rows: int, limit: int
) -> None:
    starts = [sum(lengths[:at]) for at in range(len(lengths))]
    batches = [
        batch(*range(start, start + length)) for start, length in zip(starts, lengths, strict=True)
    ]

    keys = ScannedKeys(batches, limit)

    assert keys.rows == min(sum(lengths), limit)
    assert keys.limit_hit == (sum(lengths) > limit)
    for start in range(0, keys.rows, rows):
        part = keys.part(start, min(start + rows, keys.rows))
        assert part.keys.to_pylist() == list(range(start, min(start + rows, keys.rows)))
        assert part.lower <= (f"{start:04d}",)
        assert part.upper >= (f"{start + part.rows - 1:04d}",)
