import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.unit.core.formats import nasty
from lf_export_pipeline_tests.unit.core.formats.reference import decode


def decoded(cells: list[str | None], *, json_text: bool) -> list[str | None]:
    array = decode_escapes(pa.array(cells, pa.large_string()), json_text=json_text)
    array.validate(full=True)
    found: list[str | None] = array.to_pylist()
    return found


@pytest.mark.parametrize(
    ("written", "as_text", "as_json"),
    [
        (r"\u4e2d\u6587", "中文", "中文"),
        (r"\\u4e2d", "中", "中"),
        (r"C:\\\u4e2d", "C:中", r"C:\\中"),
        (r"\ud83d\ude00", "😀", "😀"),
        (r"\ud83d\\ude00", "😀", "😀"),
        (r"\\\ud83d\ude00", "😀", r"\\😀"),
        (r"\ud83d\\\ude00", "😀", r"\ud83d\\\ude00"),
        (r"\\ud83d", r"\ud83d", r"\\ud83d"),
        (r"\\\\uDE00", r"\uDE00", r"\\uDE00"),
        (r"\\\ud83d", r"\ud83d", r"\\\ud83d"),
        (r"\u000a\u0022\u005c\u0000", r"\u000a\u0022\u005c\u0000", r"\u000a\u0022\u005c\u0000"),
        (r"\u0020\u007f", " \x7f", " \x7f"),
        (r"\u12 \uzzzz \U0001f600 \u123", r"\u12 \uzzzz \U0001f600 \u123", None),
    ],
)
def test_escapes_become_characters(written: str, as_text: str, as_json: str | None) -> None:
    assert decoded([written], json_text=False) == [as_text]
    assert decoded([written], json_text=True) == [as_json or as_text]


@pytest.mark.parametrize("json_text", [False, True])
@settings(deadline=None, max_examples=examples(300))
@given(cells=st.lists(st.none() | nasty.text, min_size=1, max_size=8))
def test_any_text_is_decoded_as_by_the_reference(
    cells: list[str | None], *, json_text: bool
) -> None:
    expected = [None if cell is None else decode(cell, json_text=json_text) for cell in cells]
    assert decoded(cells, json_text=json_text) == expected


@settings(deadline=None, max_examples=examples(300))
@given(value=nasty.json_value, ascii_only=st.booleans())
def test_valid_json_stays_valid_json_in_either_reading(value: object, *, ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)
    for json_text in (False, True):
        json.loads(decoded([written], json_text=json_text)[0] or "")


@settings(deadline=None, max_examples=examples(200))
@given(value=st.text(st.characters(exclude_categories=["Cs"])))
def test_json_escapes_of_characters_do_not_change_the_value(value: str) -> None:
    (found,) = decoded([json.dumps(value)], json_text=True)
    expected = decode(value, json_text=False)
    if "\\" not in value:
        assert json.loads(found or "") == expected


def test_an_escape_never_spans_two_cells() -> None:
    cells: list[str | None] = [
        "a\\",
        "u0041",
        "\\ud83d",
        "\\ude00",
        "\\\\",
        "\\u0041",
        "\\u00",
        "41",
    ]
    expected = ["a\\", "u0041", "\\ud83d", "\\ude00", "\\\\", "A", "\\u00", "41"]
    assert decoded(cells, json_text=False) == expected


def test_a_column_without_escapes_is_not_copied() -> None:
    for cells in (["abc", "\\n", None], ["x" * 1000 + "\\n"]):
        array = pa.array(cells, pa.large_string())
        assert decode_escapes(array, json_text=True) is array


def test_a_slice_of_a_column_is_decoded_alone() -> None:
    array = pa.array(["\\u0041", "\\u0042", None, "x\\u0043"], pa.large_string())
    assert decode_escapes(array.slice(1), json_text=False).to_pylist() == ["B", None, "xC"]
