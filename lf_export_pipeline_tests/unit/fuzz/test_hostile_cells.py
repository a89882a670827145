"""Whatever cells and score names hold, a reader of the file gets it back from its own place."""

import csv
import io
import json
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.columns import Kind, OutputColumn
from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.request import ExportFormat
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes
from lf_export_pipeline_tests.unit.core.formats.nasty import text as nasty_text
from lf_export_pipeline_tests.unit.core.formats.reference import Record, decode, record_batch
from lf_export_pipeline_tests.unit.fuzz.conftest import EXAMPLES
from lf_export_pipeline_tests.unit.fuzz.strategies import stored_text

pytestmark = pytest.mark.fuzz

FUZZED = settings(settings.get_profile("fuzz"), max_examples=EXAMPLES)
COLUMNS = (OutputColumn(name="text"), OutputColumn(name="io", kind=Kind.MAYBE_JSON))
NAMES = [column.name for column in COLUMNS]
SCORES_MAX = 3
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Row(NamedTuple):
    """What is put into a row: texts, JSON where ``io`` is no text, and values by score column."""

    text: str | None
    io: Any
    scores: dict[int, list[Any]]


texts = st.one_of(stored_text, nasty_text, st.sampled_from(FORMULA).map(lambda c: f"{c}1+1,x"))
# Langfuse: the cell of a score is a list of numbers, or one of texts.
score_values = st.lists(texts, min_size=1, max_size=2) | st.lists(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=2
)
rows = st.builds(
    Row,
    st.none() | texts,
    st.none() | texts | st.lists(texts, max_size=2) | st.dictionaries(texts, texts, max_size=2),
    st.dictionaries(st.integers(0, SCORES_MAX - 1), score_values),
)
score_names = st.lists(texts.filter(lambda name: name not in NAMES), unique=True, max_size=3)


def as_stored(row: Row, score_count: int) -> Record:
    """The row as a store gives it: JSON as text."""
    is_json = isinstance(row.io, list | dict)
    return Record(
        {"text": row.text, "io": json.dumps(row.io) if is_json else row.io},
        frozenset({"io"} if is_json else ()),
        {at: json.dumps(value) for at, value in row.scores.items() if at < score_count},
    )


def shown(text: str | None) -> str | None:
    r"""The text as a file holds it: ``\uXXXX`` in it is a character there."""
    return None if text is None else decode(text, json_text=False)


def shown_json(text: str | None) -> Any:
    return None if text is None else json.loads(decode(text, json_text=True))


@FUZZED
@given(put=st.lists(rows, min_size=1, max_size=3), names=score_names)
def test_readers_of_every_format_get_each_cell_back_from_its_place(
    put: list[Row], names: list[str]
) -> None:
    records = [as_stored(row, len(names)) for row in put]
    batch = record_batch(COLUMNS, records)
    for fmt in (ExportFormat.JSON, ExportFormat.JSONL):
        objects = json_rows(fmt, written(fmt, names, batch))
        for found, record in zip(objects, records, strict=True):
            assert list(found) == [*NAMES, *names]
            assert found == expected_object(record, names)
    for guarded in (False, True):
        data = written(ExportFormat.CSV, names, batch, guarded=guarded)
        header, *lines = csv.reader(io.StringIO(data, newline=""), strict=True)
        assert header == [*NAMES, *(guard(name, guarded) for name in names)]
        for line, record in zip(lines, records, strict=True):
            assert line[:2] == [guard(shown(record.cells[at]) or "", guarded) for at in NAMES]
            scores = [json.loads(cell) if cell else None for cell in line[2:]]
            assert scores == [shown_json(record.scores.get(at)) for at in range(len(names))]
            assert not guarded or not any(cell.startswith(FORMULA) for cell in line)


def written(
    fmt: ExportFormat, names: list[str], batch: pa.RecordBatch, *, guarded: bool = False
) -> str:
    writer = format_writer(fmt, COLUMNS, tuple(names), guard_formulas=guarded)
    return file_bytes(writer, [[batch]]).decode()


def json_rows(fmt: ExportFormat, data: str) -> list[dict[str, Any]]:
    if fmt is ExportFormat.JSONL:
        return [json.loads(line) for line in data.removesuffix("\n").split("\n")]
    rows: list[dict[str, Any]] = json.loads(data)
    return rows


def expected_object(record: Record, names: list[str]) -> dict[str, Any]:
    as_text = shown_json if "io" in record.flags else shown
    scores = {name: shown_json(record.scores.get(at)) for at, name in enumerate(names)}
    return {"text": shown(record.cells["text"]), "io": as_text(record.cells["io"]), **scores}


def guard(cell: str, guarded: bool) -> str:
    return f"'{cell}" if guarded and cell.startswith(FORMULA) else cell
