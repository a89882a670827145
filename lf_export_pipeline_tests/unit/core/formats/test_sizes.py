"""Cells, rows and numbers of columns far beyond the usual."""

import json

import pytest

from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes
from lf_export_pipeline_tests.unit.core.formats.reference import FILES, TEXTS, Record, record_batch

ID = (OutputColumn(name="id"),)


@pytest.mark.parametrize("fmt", TEXTS)
def test_ten_thousand_score_columns_are_written_in_full_for_every_row(fmt: ExportFormat) -> None:
    names = tuple(f"score {number}" for number in range(10_000))
    rows = [Record({"id": str(number)}) for number in range(120)]
    rows[7] = Record({"id": "seven"}, scores={0: "[1]", 4999: '["a"]', 9999: "[0.25]"})
    rows[8] = Record({"id": "eight"}, scores={9998: '["\\u4e2d \\"x\\""]'})
    found = file_bytes(format_writer(fmt, ID, names), [[record_batch(ID, rows)]])
    assert found == FILES[fmt](ID, names, rows)


def test_a_batch_of_many_wide_rows_comes_in_bounded_pieces() -> None:
    names = tuple(f"score {number}" for number in range(10_000))
    batch = record_batch(ID, [Record({"id": str(number)}) for number in range(1000)])
    writer = format_writer(ExportFormat.JSONL, ID, names)
    pieces = [piece.data.nbytes for piece in writer.encoder().rows(batch)]
    assert max(pieces) < 32 * 1024 * 1024
    assert sum(pieces) > 150 * 1024 * 1024


@pytest.mark.parametrize("fmt", TEXTS)
def test_cells_of_a_megabyte_and_more_keep_every_byte(fmt: ExportFormat) -> None:
    columns = (*ID, OutputColumn(name="input", kind=Kind.MAYBE_JSON))
    spoken = '模型 says "hi"\n😀 C:\\文件\\user '
    texts = [
        json.dumps([spoken * 30_000]),
        "\\u4e2d" * 200_000,
        "x" * 1_000_000 + "\\" * 1_000 + "u4e2d",
        "\\ud83d\\ude00" * 90_000 + "\\ud83d",
        '"' * 1_000_000,
    ]
    rows = [Record({"id": "x", "input": text}) for text in texts]
    rows[0] = Record(rows[0].cells, frozenset({"input"}))
    found = file_bytes(format_writer(fmt, columns), [[record_batch(columns, rows)]])
    assert found == FILES[fmt](columns, (), rows)


def test_json_nested_five_hundred_deep_is_copied_and_indented() -> None:
    columns = (
        OutputColumn(name="a", kind=Kind.JSON),
        OutputColumn(name="b", kind=Kind.PRETTY_JSON),
    )
    deep = "[" * 500 + "1.50" + "]" * 500
    batch = record_batch(columns, [Record({"a": deep, "b": deep})])
    found = file_bytes(format_writer(ExportFormat.CSV, columns), [[batch]]).decode()
    copied, indented = found.removeprefix('"a","b"\n').strip('"\n').split('","')
    assert copied == deep
    assert indented.count("\n") == 1000
    assert "".join(indented.split()) == deep
