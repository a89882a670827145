"""Strategies for data that breaks serialisers."""

import json
from typing import Any

from hypothesis import strategies as st

from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline_tests.unit.core.formats.reference import Record

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="createdAt", kind=Kind.QUOTED),
    OutputColumn(name="input", kind=Kind.MAYBE_JSON),
    OutputColumn(name="output"),
    OutputColumn(name="metadata", kind=Kind.JSON),
    OutputColumn(name='odd "name",\n\u2028名', kind=Kind.MAYBE_JSON),
    OutputColumn(name="comments", kind=Kind.PRETTY_JSON),
)
SCORE_COLUMNS = ("42", "__proto__", "toString", 'a "b", c\nd\\u0041', "质量😀")

FRAGMENTS = (
    '"', "\\", "\\\\", "\n", "\r\n", "\t", "\x00", "\x1f", "\x7f", "\u0085", "\u2028", "é",
    "中", "😀", ",", ";", "'", "/", "=1+1", "u0041", "\\u0041", "\\\\u4e2d", "\\\\\\u4E2D",
    "\\u00e9", "\\u000a", "\\u0000", "\\u0022", "\\\\u0022", "\\u005c", "\\\\u005C",
    "\\u005cu0041", "\\ud83d\\ude00", "\\ud83d\\\\ude00", "\\\\ud83d\\ude00",
    "\\ud83d\\\\\\ude00", "\\\\uD83D\\\\uDE00", "\\ud83d", "\\\\ud83d", "\\ude00",
    "\\\\\\udbff", "\\u00", "\\ug000", "\\U0001f600", "\\u2028", "\\u007f",
    "\\u0041\\u0042\\u4e2d", "d83d", "ude00", "plain text", " ", "{", "}", "[]",
)  # fmt: skip

text = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text("abc 123", max_size=12),
)
plain_text = st.text("abcdefXYZ019-:. ", max_size=24)

json_value: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def json_text(draw: st.DrawFn) -> str:
    """JSON as some other program wrote it: with or without escapes of non-ASCII characters."""
    return json.dumps(draw(json_value), ensure_ascii=draw(st.booleans()), separators=(",", ":"))


@st.composite
def records(draw: st.DrawFn, score_count: int = len(SCORE_COLUMNS)) -> Record:
    by_kind = {
        Kind.TEXT: text,
        Kind.QUOTED: plain_text,
        Kind.JSON: json_text(),
        Kind.PRETTY_JSON: st.just("[]") | json_text(),
        Kind.MAYBE_JSON: text,
    }
    flags = frozenset(draw(st.sets(st.sampled_from(["input", COLUMNS[5].name]))))
    cells = {}
    for column in COLUMNS:
        kind = Kind.JSON if column.name in flags else column.kind
        cells[column.name] = draw(st.none() | by_kind[kind])
    indexes = draw(st.sets(st.integers(0, score_count - 1), max_size=4)) if score_count else ()
    return Record(cells, flags, {index: draw(json_text()) for index in indexes})
