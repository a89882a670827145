"""Whatever cells and score names hold, a reader of the file gets it back from its own place.

Columns are of every kind, scores may be named like columns, and rows come in batches and parts that
are cut anywhere.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.query.score_columns import score_headers
from lf_export_pipeline.core.request.csv_options import CsvOptions
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes
from lf_export_pipeline_tests.unit.core.formats.nasty import COLUMNS, json_text, plain_text
from lf_export_pipeline_tests.unit.core.formats.nasty import text as nasty_text
from lf_export_pipeline_tests.unit.core.formats.reference import (
    Record,
    decode,
    readable,
    readable_scores,
    record_batch,
)
from lf_export_pipeline_tests.unit.fuzz.conftest import EXAMPLES
from lf_export_pipeline_tests.unit.fuzz.strategies import stored_text

pytestmark = pytest.mark.fuzz

FUZZED = settings(settings.get_profile("fuzz"), max_examples=EXAMPLES)
NAMES = [column.name for column in COLUMNS]
SCORES_MAX = 3
CONTROLS = ("\t", "\r", "\x00")
SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
JSON_KINDS = {Kind.JSON, Kind.PRETTY_JSON}
USER_TEXT = {Kind.TEXT, Kind.MAYBE_JSON}
Parts = list[list[list[Record]]]

texts = st.one_of(
    stored_text, nasty_text, st.sampled_from((*CONTROLS, *SIGNS)).map(lambda c: f"{c}1+1,x")
)
json_texts = json_text() | st.lists(texts, max_size=2).map(json.dumps)
# Langfuse: the cell of a score is a list of numbers, or one of texts.
score_cells = st.one_of(
    st.lists(texts, min_size=1, max_size=2).map(json.dumps),
    st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1).map(
        json.dumps
    ),
)
score_names = st.lists(
    st.one_of(texts, st.sampled_from(NAMES), st.sampled_from(NAMES).map("scores.{}".format)),
    unique=True,
    max_size=SCORES_MAX,
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A row as a store gives it: JSON as text."""
    maybe = [column.name for column in COLUMNS if column.kind is Kind.MAYBE_JSON]
    flags = draw(st.frozensets(st.sampled_from(maybe)))
    cells = {column.name: draw(st.none() | cell_of(column, flags)) for column in COLUMNS}
    return Record(cells, flags, draw(st.dictionaries(st.integers(0, SCORES_MAX - 1), score_cells)))


def cell_of(column: OutputColumn, flags: frozenset[str]) -> st.SearchStrategy[str]:
    if is_json(column, flags):
        return json_texts
    return plain_text if column.kind is Kind.QUOTED else texts


def is_json(column: OutputColumn, flags: frozenset[str]) -> bool:
    return column.kind in JSON_KINDS or column.name in flags


@st.composite
def parts(draw: st.DrawFn) -> Parts:
    """The rows of an export, in parts and these in batches; some of them are empty."""
    batches = draw(st.lists(st.lists(records(), max_size=2), max_size=3))
    ends = draw(st.lists(st.integers(0, len(batches)), max_size=2).map(sorted))
    return [batches[first:last] for first, last in pairwise([0, *ends, len(batches)])]


def quote_value(column: OutputColumn, record: Record) -> str | None:
    r"""The text as a file holds it: ``\uXXXX`` in it is a character there."""
    cell = record.cells[column.name]
    if cell is None or column.kind is Kind.QUOTED:
        return cell
    return decode(cell, json_text=is_json(column, record.flags))


def shown_score(record: Record, at: int, read: Callable[[str], str] = str) -> Any:
    cell = record.scores.get(at)
    return None if cell is None else json.loads(read(decode(cell, json_text=True)))


@FUZZED
@given(put=parts(), names=score_names)
def test_readers_of_json_get_each_cell_back_from_its_place(put: Parts, names: list[str]) -> None:
    headers = score_headers(names, NAMES)
    rows = [record for part in put for batch in part for record in batch]
    for fmt in (ExportFormat.JSON, ExportFormat.JSONL):
        found = json_rows(fmt, written(fmt, headers, put))
        assert [list(each) for each in found] == [[*NAMES, *headers]] * len(rows)
        assert found == [expected_object(record, headers) for record in rows]


@FUZZED
@given(put=parts(), names=score_names, guarded=st.booleans())
def test_readers_of_csv_get_each_cell_back_from_its_place(
    put: Parts, names: list[str], guarded: bool
) -> None:
    headers = score_headers(names, NAMES)
    rows = [record for part in put for batch in part for record in batch]
    data = written(ExportFormat.CSV, headers, put, guarded=guarded)
    lines = list(csv.reader(io.StringIO(data, newline=""), strict=True))
    if rows:
        for cell, name in zip(lines.pop(0), (*NAMES, *headers), strict=True):
            assert_is_guarded(cell, name, guarded=guarded)
    for line, record in zip(lines, rows, strict=True):
        cells, scores = line[: len(NAMES)], line[len(NAMES) :]
        for column, cell in zip(COLUMNS, cells, strict=True):
            assert_is_in_csv(cell, column, record, guarded=guarded)
        read = [json.loads(cell) if cell else None for cell in scores]
        assert read == [shown_score(record, at) for at in range(len(headers))]


def written(
    fmt: ExportFormat, headers: tuple[str, ...], put: Parts, *, guarded: bool = False
) -> str:
    writer = format_writer(fmt, COLUMNS, headers, CsvOptions(guard_formulas=guarded))
    return file_bytes(writer, [[batch_of(each, headers) for each in part] for part in put]).decode()


def batch_of(rows: list[Record], headers: tuple[str, ...]) -> pa.RecordBatch:
    known = [
        Record(
            each.cells, each.flags, {at: c for at, c in each.scores.items() if at < len(headers)}
        )
        for each in rows
    ]
    return record_batch(COLUMNS, known)


def json_rows(fmt: ExportFormat, data: str) -> list[dict[str, Any]]:
    if fmt is ExportFormat.JSONL:
        return [json.loads(line) for line in data.split("\n")[:-1]]
    rows: list[dict[str, Any]] = json.loads(data)
    return rows


def expected_object(record: Record, headers: tuple[str, ...]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for column in COLUMNS:
        text = quote_value(column, record)
        embedded = text is not None and is_json(column, record.flags)
        cells[column.name] = json.loads(readable(text)) if embedded and text else text
    return cells | {
        name: shown_score(record, at, readable_scores) for at, name in enumerate(headers)
    }


def assert_is_in_csv(cell: str, column: OutputColumn, record: Record, *, guarded: bool) -> None:
    stored = record.cells[column.name]
    if stored is None:
        assert cell == ""
    elif column.kind is Kind.PRETTY_JSON:
        assert json.loads(cell) == json.loads(decode(stored, json_text=True))
    elif column.kind is Kind.QUOTED:
        assert json.loads(cell) == stored
    elif column.kind in USER_TEXT:
        is_number = stored.startswith("-") and column.name in record.flags
        assert_is_guarded(cell, decode(stored, json_text=False), guarded=guarded and not is_number)
    else:
        assert cell == decode(stored, json_text=True)


def assert_is_guarded(cell: str, text: str, *, guarded: bool) -> None:
    """Where that is asked for, an apostrophe stands before what a spreadsheet may take to act on.

    Of characters that another version of Unicode knows otherwise it is not said whether they count
    as seen.
    """
    if not guarded:
        assert cell == text
        return
    assert cell in (text, f"'{text}")
    seen = text.lstrip("".join(filter(is_unseen, set(text))))
    if text.startswith(CONTROLS) or seen.startswith(SIGNS):
        assert cell != text
    elif seen[:1].isascii():
        assert cell == text


def is_unseen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in {"Cc", "Cf", "Zs", "Zl", "Zp"}
