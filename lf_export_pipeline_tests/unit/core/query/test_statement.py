import base64
import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.core.query.statement import PARAM_MAX_BYTES, Params, in_hashes, in_texts

FIELD_MAX_BYTES = 128 * 1024  # http_max_field_value_size of ClickHouse


def on_the_wire(value: str) -> int:
    """Bytes of a String parameter as the client sends it: escaped, then UTF-8."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return len(escaped.encode())


def joined(params: Params) -> str:
    return "".join(str(value) for value in params.values.values())


def test_equal_values_share_a_placeholder_and_equal_values_of_other_types_do_not() -> None:
    params = Params()
    assert params.bind(1, "UInt8") == params.bind(1, "UInt8") == "{p0:UInt8}"
    assert params.bind(1, "String") == "{p1:String}"
    assert params.bind("1", "String") == "{p2:String}"
    assert params.values == {"p0": 1, "p1": 1, "p2": "1"}


def test_bound_values_are_handed_out_as_a_copy() -> None:
    params = Params()
    params.bind("a", "String")
    params.values.clear()
    assert params.values == {"p0": "a"}


def test_a_short_text_is_one_parameter() -> None:
    params = Params("x")
    assert params.text("it's \\ {p0:String}") == "{x0:String}"
    assert params.values == {"x0": "it's \\ {p0:String}"}


@pytest.mark.parametrize("character", ["a", "\U0001f600", "\\", "'", "\n"])
def test_a_long_text_is_split_into_parameters_that_the_server_accepts(character: str) -> None:
    text = character * 100_000 + "end"
    params = Params()
    placeholders = re.fullmatch(r"concat\((.+)\)", params.text(text))
    assert placeholders is not None
    names = re.findall(r"{(p\d+):String}", placeholders.group(1))  # equal pieces share one
    pieces = [params.values[name] for name in names]
    assert "".join(pieces) == text
    assert max(map(on_the_wire, pieces)) <= PARAM_MAX_BYTES < FIELD_MAX_BYTES


@given(st.lists(st.text(max_size=50), max_size=20))
def test_a_list_comes_back_from_its_parameters(texts: list[str]) -> None:
    params = Params()
    params.array(texts)
    assert [text for piece in params.values.values() for text in json.loads(piece)] == texts


def test_a_long_list_is_split_into_parameters_that_the_server_accepts() -> None:
    ids = [f"trace-{number:032d}" for number in range(50_000)]
    params = Params()
    sql = params.array(ids)
    assert sql.startswith("arrayConcat(JSONExtract(")
    assert json.loads(joined(params).replace("][", ", ")) == ids
    assert max(map(on_the_wire, params.values.values())) < FIELD_MAX_BYTES


def test_an_element_that_is_longer_than_a_parameter_is_split_too() -> None:
    texts = ["short", "'\\\n" * 40_000, "x" * 200_000, "short"]
    params = Params()
    params.array(texts)
    assert max(map(on_the_wire, params.values.values())) < FIELD_MAX_BYTES


def test_an_empty_list_is_an_empty_array() -> None:
    params = Params()
    assert params.array([]) == "JSONExtract({p0:String}, 'Array(String)')"
    assert params.values == {"p0": "[]"}


def test_many_texts_are_bound_and_not_written_into_the_sql() -> None:
    params = Params()
    sql = in_texts("t.id", params, ["secret-1", "secret-2"])
    assert sql.startswith("t.id IN (")
    assert "secret" not in sql
    assert "secret-2" in joined(params)


def test_packed_keys_travel_in_whole_keys_below_the_size_of_a_field() -> None:
    keys = np.arange(1, 100_001, dtype="<u8") * 184_467_440_737
    params = Params("k")
    sql = in_hashes("f(t.id)", params, keys.tobytes())
    assert sql.startswith("f(t.id) IN (")
    decoded = [base64.b64decode(piece) for piece in params.values.values()]
    assert all(len(piece) % 8 == 0 for piece in decoded)
    assert b"".join(decoded) == keys.tobytes()
    assert max(map(len, params.values.values())) <= PARAM_MAX_BYTES


def test_no_keys_are_an_empty_set() -> None:
    params = Params("k")
    in_hashes("t.k", params, b"")
    assert list(params.values.values()) == [""]


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(2031, 3, 20, 12, 0, 0, 999_999, UTC), "2031-03-20 12:00:00.999"),
        (datetime(1900, 1, 1, tzinfo=UTC), "1900-01-01 00:00:00.000"),
        (datetime(2299, 12, 31, 23, 59, 59, 999_000, UTC), "2299-12-31 23:59:59.999"),
    ],
)
def test_instants_are_bound_as_text_in_milliseconds(instant: datetime, expected: str) -> None:
    params = Params()
    assert params.instant(instant) == "{p0:DateTime64(3, 'UTC')}"
    assert params.values == {"p0": expected}


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800_000),
        (datetime(1899, 12, 31, 23, 59, 59, 999_000, UTC), -2_208_988_800_001),
        (datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC), 253_402_300_799_999),
    ],
)
def test_instants_that_the_server_cannot_read_are_bound_as_numbers(
    instant: datetime, expected: int
) -> None:
    params = Params()
    assert params.instant(instant) == "fromUnixTimestamp64Milli({p0:Int64}, 'UTC')"
    assert params.values == {"p0": expected}
