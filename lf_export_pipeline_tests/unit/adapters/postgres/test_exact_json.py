"""Stored JSON is read with its numbers as written, and to a depth that is the same everywhere."""

import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest

from lf_export_pipeline.adapters.postgres.postgres_reader import (
    TOO_DEEP,
    exact_json,
    exact_json_text,
)
from lf_export_pipeline.core.request.admission import JSON_MAX_DEPTH


@pytest.fixture(params=[1_000, 1_000_000], ids=["usual-stack", "raised-limit"])
def _recursion_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(request.param)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("_recursion_limit")
@pytest.mark.parametrize("depth", [JSON_MAX_DEPTH + 1, 3_000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_too_deep_a_value_is_a_text_that_says_so(depth: int, brackets: str) -> None:
    opened, closed = brackets[:-1] * depth, brackets[-1] * depth
    assert exact_json(opened + "1" + closed) == TOO_DEEP


@pytest.mark.parametrize(
    "text",
    ['{"a": [1.5, -0.10, 1E+400, 12345678901234567890.123, 7], "b": "1.5", "c": null}', "2.50"],
)
def test_what_was_read_is_written_with_all_its_digits(text: str) -> None:
    assert exact_json_text(exact_json(text)) == text


def test_the_deepest_value_is_read() -> None:
    found = exact_json("[" * JSON_MAX_DEPTH + "]" * JSON_MAX_DEPTH)
    for _ in range(JSON_MAX_DEPTH - 1):
        [found] = found
    assert found == []


@pytest.mark.parametrize(
    "text",
    ['["' + "[" * 3_000 + '"]', '["\\"' + "{" * 3_000 + '\\\\", []]'],
    ids=["quoted", "escaped"],
)
def test_brackets_in_texts_are_no_levels(text: str) -> None:
    assert exact_json(text)[0].strip('"\\') in ("[" * 3_000, "{" * 3_000)


def test_many_lists_side_by_side_are_not_deep() -> None:
    assert exact_json("[" + ",".join(["[]"] * 1_000) + "]") == [[]] * 1_000


def test_numbers_keep_every_digit() -> None:
    assert exact_json("[12345678901234567890, 0.10]") == [12345678901234567890, Decimal("0.10")]
