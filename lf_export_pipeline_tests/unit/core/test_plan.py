import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.plan import (
    CHUNK_MAX_COUNT,
    CHUNK_MAX_ROWS,
    CHUNK_TARGET_BYTES,
    MEBIBYTE,
    OBJECT_MAX_BYTES,
    PART_MAX_COUNT,
    PART_MIN_BYTES,
    bind_chunk,
    part_bytes,
    rows_of_chunk,
)
from lf_export_pipeline.core.statement import Statement, Store


def test_a_chunk_holds_as_many_rows_as_fit_into_the_target() -> None:
    assert rows_of_chunk(0, row_bytes=2048, row_limit=1_500_000) == CHUNK_TARGET_BYTES // 2048
    assert rows_of_chunk(0, 10.0, 1_500_000, target_bytes=1000) == 100


def test_a_chunk_of_short_rows_stays_within_its_number_of_rows() -> None:
    assert rows_of_chunk(0, row_bytes=0, row_limit=1_500_000) == CHUNK_MAX_ROWS


def test_a_row_beyond_the_target_is_a_chunk_of_its_own() -> None:
    assert rows_of_chunk(0, row_bytes=1e12, row_limit=1_500_000) == 1


@given(
    row_bytes=st.floats(0, 1e9),
    row_limit=st.integers(1, 10_000_000),
    target_mib=st.integers(1, 1024),
)
def test_the_chunks_hold_everything_up_to_the_limit(
    row_bytes: float, row_limit: int, target_mib: int
) -> None:
    sizes = [
        rows_of_chunk(index, row_bytes, row_limit, target_mib * MEBIBYTE)
        for index in range(CHUNK_MAX_COUNT)
    ]
    assert min(sizes) >= 1
    assert sum(sizes) >= row_limit


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


def test_an_object_that_s3_cannot_hold_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"S3 stores at most 5 TiB"):
        part_bytes(OBJECT_MAX_BYTES + 1, PART_MIN_BYTES)


def test_a_clickhouse_chunk_gets_its_keys_and_the_bounds_that_it_names() -> None:
    statement = Statement(
        store=Store.CLICKHOUSE,
        sql="SELECT 1 WHERE id BETWEEN {lo_1:String} AND {hi_1:String} AND /*keys:cityHash64(id)*/",
        params={"p0": "project"},
    )
    keys = np.array([1, 2**64 - 1], dtype="<u8").tobytes()
    bound = bind_chunk(statement, keys, lower=("2031-01-01", "a"), upper=("2031-01-02", "z"))
    assert "/*" not in bound.sql
    assert "cityHash64(id) IN (" in bound.sql
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


def test_texts_are_no_keys_of_clickhouse() -> None:
    with pytest.raises(TypeError, match="packed 64-bit keys"):
        bind_chunk(Statement(store=Store.CLICKHOUSE, sql="SELECT 1"), ("x",))
