import base64
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.query.chunk_plan import (
    CHUNK_MAX_COUNT,
    CHUNK_MAX_ROWS,
    CHUNK_TARGET_BYTES,
    MEBIBYTE,
    OBJECT_MAX_BYTES,
    PART_MAX_COUNT,
    PART_MIN_BYTES,
    SAMPLE_RUN_ROWS,
    SAMPLE_RUNS,
    bind_chunk,
    chunk_ends,
    estimated_bytes,
    part_bytes,
    sample_spans,
    union_all,
)
from lf_export_pipeline.core.query.statement import Statement, Store

MILLION = 1_000_000
KILOBYTE, MEGABYTE = 1_000, 1_000_000


def lengths(rows: int, row_bytes: list[float], target: int = CHUNK_TARGET_BYTES) -> list[int]:
    """The rows of each chunk."""
    return [end - start for start, end in pairwise([0, *chunk_ends(rows, row_bytes, target)])]


def test_chunks_are_equal_and_hold_no_more_than_the_target() -> None:
    assert lengths(250, [10.0], 1000) == [84, 84, 82]
    assert lengths(200, [10.0], 1000) == [100, 100]
    assert lengths(99, [10.0], 1000) == [99]


def test_chunks_of_short_rows_stay_within_their_number_of_rows() -> None:
    assert set(lengths(MILLION, [0.0])) == {CHUNK_MAX_ROWS}


def test_a_row_beyond_the_target_is_a_chunk_of_its_own() -> None:
    assert lengths(3, [1e12]) == [1, 1, 1]


def test_an_export_that_needs_too_many_chunks_has_all_of_them_longer_alike() -> None:
    of_a_megabyte = lengths(100_000, [MEGABYTE])

    assert of_a_megabyte == [500] * CHUNK_MAX_COUNT


def test_rows_are_counted_by_the_size_they_have_where_they_are() -> None:
    first, *rest = lengths(1_000, [KILOBYTE, KILOBYTE, KILOBYTE, 100 * KILOBYTE], 5_000_000)

    assert first > 180
    assert sum(rest[-4:]) < 220


def test_a_stretch_whose_sample_was_light_counts_like_the_mean() -> None:
    sizes = lengths(1_000, [0.0, 0.0, 0.0, 4 * KILOBYTE], 100 * KILOBYTE)

    assert max(sizes) <= 100


@given(
    rows=st.integers(0, 10 * MILLION),
    row_bytes=st.lists(st.floats(0, 1e9), min_size=1, max_size=16),
    target_mib=st.integers(1, 1024),
)
def test_the_chunks_hold_all_rows_and_are_never_too_many_nor_too_heavy(
    rows: int, row_bytes: list[float], target_mib: int
) -> None:
    target = target_mib * MEBIBYTE
    sizes = lengths(rows, row_bytes, target)
    mean = sum(row_bytes) / len(row_bytes)

    assert sum(sizes) == rows
    assert min(sizes, default=1) >= 1
    assert len(sizes) <= CHUNK_MAX_COUNT
    least = max(mean, target / CHUNK_MAX_ROWS)
    heaviest = max(target, 2 * least * rows / CHUNK_MAX_COUNT)
    assert max(sizes, default=0) * least <= heaviest + max(row_bytes) + least + 1


@given(rows=st.integers(0, 10 * MILLION))
def test_a_sample_is_of_rows_from_everywhere_and_small(rows: int) -> None:
    spans = sample_spans(rows)

    assert len(spans) <= SAMPLE_RUNS
    assert all(0 <= start < stop <= rows for start, stop in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert sum(stop - start for start, stop in spans) <= SAMPLE_RUNS * SAMPLE_RUN_ROWS
    if rows >= SAMPLE_RUNS:
        starts = [start for start, _ in spans]
        assert starts[0] <= rows / len(spans)
        assert starts[-1] >= rows - 2 * rows / len(spans) - 1


@given(
    expected=st.integers(0, OBJECT_MAX_BYTES), preferred=st.integers(5, 100).map(MEBIBYTE.__mul__)
)
def test_a_file_half_as_large_again_as_expected_still_fits_in_the_parts(
    expected: int, preferred: int
) -> None:
    size = part_bytes(expected, preferred)
    assert size >= preferred
    assert size % MEBIBYTE == 0
    assert size * PART_MAX_COUNT >= expected * 3 // 2


def test_a_file_of_five_tebibytes_is_sent_in_parts_that_s3_takes() -> None:
    size = part_bytes(OBJECT_MAX_BYTES, 10 * MEBIBYTE)
    assert size == 787 * MEBIBYTE
    assert -(-OBJECT_MAX_BYTES // size) < PART_MAX_COUNT
    assert PART_MIN_BYTES <= size <= 5 * 1024 * MEBIBYTE


def test_a_file_of_a_gigabyte_keeps_the_parts_that_were_asked_for() -> None:
    assert part_bytes(10**9, 10 * MEBIBYTE) == 10 * MEBIBYTE


def test_small_preferences_are_raised_to_what_s3_demands() -> None:
    assert part_bytes(1, preferred_bytes=1) == PART_MIN_BYTES


def test_an_export_that_begins_with_long_rows_is_not_refused_by_their_size() -> None:
    expected = estimated_bytes(2**30, some_rows=100, rows=1_500_000)
    assert OBJECT_MAX_BYTES < 2**30 * 15_000
    assert part_bytes(expected, PART_MIN_BYTES) * PART_MAX_COUNT >= OBJECT_MAX_BYTES
    assert estimated_bytes(10_000, some_rows=100, rows=1_500_000) == 150_000_000
    assert estimated_bytes(0, some_rows=0, rows=10) == 0


def test_an_object_that_s3_cannot_hold_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"S3 stores at most 5 TiB"):
        part_bytes(OBJECT_MAX_BYTES + 1, PART_MIN_BYTES)


def test_a_clickhouse_chunk_gets_its_keys_and_the_bounds_that_it_names() -> None:
    statement = Statement(
        store=Store.CLICKHOUSE,
        sql="SELECT 1 WHERE id BETWEEN {lo_1:String} AND {hi_1:String} AND /*keys:f(id)*/",
        params={"p0": "project"},
    )
    keys = np.array([1, 2**64 - 1], dtype="<u8").tobytes()
    bound = bind_chunk(statement, keys, lower=("2031-01-01", "a"), upper=("2031-01-02", "z"))
    assert "/*" not in bound.sql
    assert "f(id) IN (" in bound.sql
    assert bound.params == {
        "p0": "project",
        "k0": base64.b64encode(keys).decode(),
        "lo_1": "a",
        "hi_1": "z",
    }
    assert statement.params == {"p0": "project"}


def test_all_places_for_keys_are_filled_and_share_their_parameters() -> None:
    sql = "SELECT 1 WHERE /*keys:a*/ OR id IN (SELECT id WHERE /*keys:f(b, '*')*/)"
    bound = bind_chunk(Statement(store=Store.EVENTS, sql=sql), b"\x01" + bytes(7))
    assert "a IN (" in bound.sql
    assert "f(b, '*') IN (" in bound.sql
    assert list(bound.params) == ["k0"]


def test_a_postgres_chunk_gets_its_keys_as_a_list() -> None:
    statement = Statement(
        store=Store.POSTGRES, sql="SELECT 1 WHERE id = ANY(:keys)", params={"a": 1}
    )
    assert bind_chunk(statement, ("x", "y")).params == {"a": 1, "keys": ["x", "y"]}


def test_several_chunks_can_be_asked_for_at_once() -> None:
    sql = "SELECT 1 AS n WHERE id >= {lo_0:String} AND /*keys:id*/ AND p = {p0:String}"
    one = Statement(store=Store.CLICKHOUSE, sql=sql, params={"p0": "project"})
    both = union_all(
        [bind_chunk(one, bytes(8), (name,), (name,), suffix=f"_{name}_") for name in ("a", "b")]
    )
    assert both.sql.count("UNION ALL\nSELECT 1 AS at, r.* FROM") == 1
    assert both.params.keys() == {"p0", "lo_0_a_", "lo_0_b_", "k_a_0", "k_b_0"}
    for name in both.params:
        assert f"{{{name}:String}}" in both.sql


def test_several_chunks_of_postgres_can_be_asked_for_at_once() -> None:
    one = Statement(store=Store.POSTGRES, sql="SELECT 1 AS n WHERE id = ANY(:keys)")
    both = union_all([bind_chunk(one, ("x",), suffix=f"_{at}_") for at in range(2)])
    assert both.params == {"keys_0_": ["x"], "keys_1_": ["x"]}
    assert "ANY(:keys_1_)" in both.sql


def test_texts_are_no_keys_of_clickhouse() -> None:
    with pytest.raises(TypeError, match="packed 64-bit keys"):
        bind_chunk(Statement(store=Store.CLICKHOUSE, sql="SELECT 1"), ("x",))
