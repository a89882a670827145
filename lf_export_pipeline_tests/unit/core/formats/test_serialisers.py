import csv
import io
import itertools
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats import FormatWriter, format_writer, writer
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes, part_bytes
from lf_export_pipeline_tests.unit.core.formats.nasty import COLUMNS, SCORE_COLUMNS, records
from lf_export_pipeline_tests.unit.core.formats.reference import (
    FILES,
    TEXTS,
    Record,
    decode,
    readable,
    record_batch,
)

every_format = pytest.mark.parametrize("fmt", TEXTS)
property_test = settings(deadline=None, max_examples=examples(40))


def writer_of(fmt: ExportFormat, scores: tuple[str, ...] = SCORE_COLUMNS) -> FormatWriter:
    return format_writer(fmt, COLUMNS, scores)


@every_format
@property_test
@given(rows=st.lists(records(), max_size=6))
def test_columnar_bytes_equal_those_of_the_row_by_row_reference(
    fmt: ExportFormat, rows: list[Record]
) -> None:
    found = file_bytes(writer_of(fmt), [[record_batch(COLUMNS, rows)]])
    assert found == FILES[fmt](COLUMNS, SCORE_COLUMNS, rows)


@every_format
@property_test
@given(rows=st.lists(records(0), min_size=1, max_size=4))
def test_a_file_without_score_columns_equals_the_reference(
    fmt: ExportFormat, rows: list[Record]
) -> None:
    batch = record_batch(COLUMNS, rows, pa.large_string()).drop_columns(
        ["#score_indexes", "#score_cells"]
    )
    assert file_bytes(writer_of(fmt, ()), [[batch]]) == FILES[fmt](COLUMNS, (), rows)


@every_format
@property_test
@given(rows=st.lists(records(), max_size=8), data=st.data())
def test_cuts_into_batches_and_parts_leave_no_trace(
    fmt: ExportFormat, rows: list[Record], data: st.DataObject
) -> None:
    batch = record_batch(COLUMNS, rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    pairs = itertools.pairwise([0, *cuts, len(rows)])
    pieces = [batch.slice(low, high - low) for low, high in pairs]
    whole = file_bytes(writer_of(fmt), [[batch]])
    assert file_bytes(writer_of(fmt), [pieces]) == whole
    assert file_bytes(writer_of(fmt), [[piece] for piece in pieces]) == whole


@every_format
@property_test
@given(rows=st.lists(records(), min_size=1, max_size=6))
def test_slices_within_a_batch_leave_no_trace(fmt: ExportFormat, rows: list[Record]) -> None:
    batch = record_batch(COLUMNS, rows)
    whole = part_bytes(writer_of(fmt), [batch])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "SLICE_BYTES", 1)
        assert part_bytes(writer_of(fmt), [batch]) == whole


@property_test
@given(rows=st.lists(records(), min_size=1, max_size=4))
def test_a_strict_csv_reader_gets_every_cell_back(rows: list[Record]) -> None:
    content = file_bytes(writer_of(ExportFormat.CSV), [[record_batch(COLUMNS, rows)]]).decode()
    header, *lines = csv.reader(io.StringIO(content, newline=""), strict=True)
    assert header == [*(column.name for column in COLUMNS), *SCORE_COLUMNS]
    for line, row in zip(lines, rows, strict=True):
        texts = dict(zip(header, line, strict=True))
        assert texts["id"] == decode(row.cells["id"] or "", json_text=False)
        assert texts["createdAt"] == json.dumps(row.cells["createdAt"]).replace("null", "")
        assert json.loads(texts["comments"] or "0") == json.loads(
            decode(row.cells["comments"] or "0", json_text=True)
        )


@pytest.mark.parametrize("fmt", [ExportFormat.JSON, ExportFormat.JSONL])
@property_test
@given(rows=st.lists(records(), min_size=1, max_size=4))
def test_json_readers_get_every_value_back(fmt: ExportFormat, rows: list[Record]) -> None:
    content = file_bytes(writer_of(fmt), [[record_batch(COLUMNS, rows)]]).decode()
    objects = (
        json.loads(content)
        if fmt is ExportFormat.JSON
        else [json.loads(line) for line in content.removesuffix("\n").split("\n")]
    )
    for found, row in zip(objects, rows, strict=True):
        assert list(found) == [*(column.name for column in COLUMNS), *SCORE_COLUMNS]
        for column in COLUMNS:
            assert found[column.name] == expected_value(column, row)


def expected_value(column: OutputColumn, row: Record) -> Any:
    cell = row.cells[column.name]
    if cell is None or column.kind is Kind.QUOTED:
        return cell
    is_json = column.kind in {Kind.JSON, Kind.PRETTY_JSON} or column.name in row.flags
    decoded = decode(cell, json_text=is_json)
    return json.loads(readable(decoded)) if is_json else decoded


@every_format
def test_a_batch_without_rows_gives_no_bytes(fmt: ExportFormat) -> None:
    assert list(writer_of(fmt).encoder().rows(record_batch(COLUMNS, []))) == []


def test_a_file_without_rows_is_empty_and_for_json_an_empty_array() -> None:
    empty = {fmt: file_bytes(writer_of(fmt), [[record_batch(COLUMNS, [])], []]) for fmt in TEXTS}
    assert empty == {"CSV": b"", "JSON": b"[]", "JSONL": b""}


def test_content_types_and_extensions_are_those_of_langfuse() -> None:
    found = [(w.content_type, w.extension) for w in map(writer_of, TEXTS)]
    assert found == [
        ("text/csv; charset=utf-8", "csv"),
        ("application/json; charset=utf-8", "json"),
        ("application/x-ndjson; charset=utf-8", "jsonl"),
    ]


def test_the_bytes_are_as_langfuse_writes_them() -> None:
    columns = (
        OutputColumn(name="id"),
        OutputColumn(name="timestamp", kind=Kind.QUOTED),
        OutputColumn(name="input", kind=Kind.MAYBE_JSON),
        OutputColumn(name="bookmarked", kind=Kind.JSON),
        OutputColumn(name="comments", kind=Kind.PRETTY_JSON),
    )
    cells = {
        "id": 'a "b"\r\n,',
        "timestamp": "2031-02-20T00:00:00.000Z",
        "input": '{"a": 1}',
        "bookmarked": "false",
        "comments": '[{"id":"c","tags":[],"extra":{}}]',
    }
    rows = [Record(cells, frozenset({"input"}), {1: '["x",0.5]'}), Record(dict.fromkeys(cells))]
    found = {
        fmt: file_bytes(format_writer(fmt, columns, ("42", "q")), [[record_batch(columns, rows)]])
        for fmt in TEXTS
    }
    comments = '[\n  {\n    ""id"": ""c"",\n    ""tags"": [],\n    ""extra"": {}\n  }\n]'
    assert found[ExportFormat.CSV].decode() == (
        '"id","timestamp","input","bookmarked","comments","42","q"\n'
        '"a ""b""\r\n,","""2031-02-20T00:00:00.000Z""","{""a"": 1}","false","' + comments + '"'
        ',"","[""x"",0.5]"\n'
        '"","","","","","",""\n'
    )
    first = (
        '{"id":"a \\"b\\"\\r\\n,","timestamp":"2031-02-20T00:00:00.000Z","input":{"a": 1},'
        '"bookmarked":false,"comments":[{"id":"c","tags":[],"extra":{}}],"42":null,"q":["x",0.5]}'
    )
    second = (
        '{"id":null,"timestamp":null,"input":null,"bookmarked":null,"comments":null,'
        '"42":null,"q":null}'
    )
    assert found[ExportFormat.JSON].decode() == f"[{first},{second}]"
    assert found[ExportFormat.JSONL].decode() == f"{first}\n{second}\n"
