"""Parquet files of several parts, and the types and limits of their columns."""

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats import FormatWriter, format_writer
from lf_export_pipeline.core.formats.arrow_types import ARROW_TYPES
from lf_export_pipeline.core.formats.parquet_footer import footer_of, merged
from lf_export_pipeline.core.formats.parquet_format import ROW_GROUP_MAX_ROWS
from lf_export_pipeline.core.formats.thrift_compact import read_struct, write_struct
from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.unit.core.formats.assembly import chunk_of, file_bytes
from lf_export_pipeline_tests.unit.core.formats.reference import Record, record_batch

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="at", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="input", type=ColumnType.PAYLOAD),
    OutputColumn(name="metadata", kind=Kind.JSON, type=ColumnType.TEXT_MAP),
    OutputColumn(name="usage", kind=Kind.JSON, type=ColumnType.USAGE_MAP),
)
SCORES = ("quality", "label")
SCORE_TYPES = (ColumnType.DOUBLES, ColumnType.TEXTS)
WRITER = format_writer(ExportFormat.PARQUET, COLUMNS, SCORES, score_types=SCORE_TYPES)
NONE = dict.fromkeys(column.name for column in COLUMNS)


def rows_of(numbers: range) -> pa.RecordBatch:
    return record_batch(
        COLUMNS,
        [
            Record(
                {
                    "id": f"id {number}",
                    "at": f"2031-03-01T12:00:00.{number % 1000:03}Z",
                    "input": "text " * (number % 7) if number % 3 else None,
                    "metadata": f'{{"n":"{number}"}}',
                    "usage": f'{{"input":{number},"output":{2**64 - 1}}}',
                },
                scores={0: "[0.5,1]"} if number % 2 else {1: '["good"]'},
            )
            for number in numbers
        ],
    )


def read(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


@settings(deadline=None, max_examples=examples(60))
@given(sizes=st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=6))
def test_a_file_of_many_parts_is_their_rows_in_order(sizes: list[list[int]]) -> None:
    parts: list[list[pa.RecordBatch]] = []
    before = 0
    for part in sizes:
        parts.append([])
        for size in part:
            parts[-1].append(rows_of(range(before, before + size)))
            before += size
    data = file_bytes(WRITER, parts)
    table, known = read(data), pq.read_metadata(io.BytesIO(data))
    assert table.column("id").to_pylist() == [f"id {number}" for number in range(before)]
    assert table.equals(read(file_bytes(WRITER, [[rows_of(range(before))]])))
    assert known.num_rows == before
    groups = [known.row_group(at).num_rows for at in range(known.num_row_groups)]
    assert groups == [sum(part) for part in sizes if sum(part)]


def test_a_column_can_be_read_alone_from_any_row_group() -> None:
    data = file_bytes(WRITER, [[rows_of(range(at, at + 10))] for at in (0, 10, 20)])
    file = pq.ParquetFile(io.BytesIO(data))
    assert [file.read_row_group(at, ["id"]).column("id")[0].as_py() for at in (2, 0, 1)] == [
        "id 20",
        "id 0",
        "id 10",
    ]


def test_row_groups_are_bounded_by_rows_and_by_bytes() -> None:
    many = pq.ParquetFile(io.BytesIO(file_bytes(WRITER, [[rows_of(range(45_000))]]))).metadata
    groups = [many.row_group(at).num_rows for at in range(many.num_row_groups)]
    assert sum(groups) == 45_000
    assert len(groups) >= 3
    assert max(groups) <= ROW_GROUP_MAX_ROWS
    wide = OutputColumn(name="input", type=ColumnType.PAYLOAD)
    batch = record_batch((wide,), [Record({"input": "x" * 3_000_000})] * 40)
    large = pq.ParquetFile(
        io.BytesIO(file_bytes(format_writer(ExportFormat.PARQUET, (wide,)), [[batch]]))
    ).metadata
    sizes = [large.row_group(at).total_byte_size for at in range(large.num_row_groups)]
    assert max(sizes) <= 64 * 1024 * 1024
    assert large.num_rows == 40


def test_a_file_without_rows_has_its_columns() -> None:
    table = read(file_bytes(WRITER, [[], [rows_of(range(0))]]))
    assert table.num_rows == 0
    assert table.schema.equals(read(file_bytes(WRITER, [[rows_of(range(3))]])).schema)


def test_a_footer_that_is_read_and_written_is_the_same() -> None:
    for data in (WRITER.empty, file_bytes(WRITER, [[rows_of(range(50))]] * 20)):
        footer = footer_of(data)
        assert write_struct(read_struct(footer)) == footer


def test_parts_of_other_columns_are_no_file() -> None:
    other = format_writer(ExportFormat.PARQUET, COLUMNS)
    endings = [chunk_of(writer, [rows_of(range(3))])[1] for writer in (WRITER, other)]
    with pytest.raises(ValueError, match="different columns"):
        merged((0, ending) for ending in endings)


def test_long_text_has_no_dictionary_and_columns_are_compressed_with_zstd() -> None:
    known = pq.read_metadata(io.BytesIO(file_bytes(WRITER, [[rows_of(range(50))]])))
    group = known.row_group(0)
    chunks = [group.column(at) for at in range(group.num_columns)]
    assert {chunk.compression for chunk in chunks} == {"ZSTD"}
    with_dictionary = {chunk.path_in_schema for chunk in chunks if chunk.has_dictionary_page}
    assert "id" in with_dictionary
    assert with_dictionary.isdisjoint({"input", "metadata.key_value.value"})


def single(kind: ColumnType, cell: str) -> tuple[Any, dict[str, int]]:
    """The value that a cell becomes, and what is counted as missing."""
    column = OutputColumn(name="x", kind=Kind.JSON, type=kind)
    writer: FormatWriter = format_writer(ExportFormat.PARQUET, (column,))
    encoder = writer.encoder()
    batch = record_batch((column,), [Record({"x": cell})])
    body = b"".join(bytes(piece.data) for piece in (*encoder.rows(batch), *encoder.finish()))
    assert body
    values = read(file_bytes(writer, [[batch]])).column("x")
    is_instant = pa.types.is_timestamp(values.type)
    return (values.cast(pa.int64()) if is_instant else values)[0].as_py(), dict(encoder.unfit)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        (ColumnType.INSTANT, "1970-01-01T00:00:00.001Z", 1_000),
        (ColumnType.INSTANT, "1969-12-31 23:59:59.999999", -1),
        (ColumnType.INSTANT, "+010000-01-01T00:00:00.000Z", 253_402_300_800_000_000),
        (ColumnType.INSTANT, "+000000-01-01T00:00:00.000Z", -62_167_219_200_000_000),
        (ColumnType.INSTANT, "-000001-12-31T00:00:00.000Z", -62_167_305_600_000_000),
        (ColumnType.BOOLEAN, "true", True),
        (ColumnType.INTEGER, str(-(2**63)), -(2**63)),
        (ColumnType.USAGE, str(2**64 - 1), 2**64 - 1),
        (ColumnType.DOUBLE, "1e-7", 1e-7),
        (ColumnType.COST, "999999.999999999999", Decimal("999999.999999999999")),
        (ColumnType.COST_SUM, "1e-12", Decimal("1e-12")),
        (ColumnType.TEXTS, '["a","\\ud83d\\ude00","\\ud800"]', ["a", "😀", "\\ud800"]),
        (ColumnType.DOUBLES, "[null,1e400,50000000000000000000]", [None, float("inf"), 5e19]),
        (ColumnType.BOOLEANS, "[1,0]", [True, False]),
        (ColumnType.TEXT_MAP, '{"a":"1","a":"2"}', [("a", "1"), ("a", "2")]),
        (ColumnType.JSON_MAP, r'{"a":"{\"b\":\"\\u4e2d\"}"}', [("a", '{"b":"中"}')]),
        (ColumnType.USAGE_MAP, f'{{"a":{2**64 - 1}}}', [("a", 2**64 - 1)]),
        (ColumnType.COST_MAP, '{"a":0.1}', [("a", Decimal("0.1"))]),
        (ColumnType.INSTANT, "", None),
        (ColumnType.TEXTS, "", None),
    ],
)
def test_a_cell_becomes_a_value(kind: ColumnType, cell: str, value: object) -> None:
    assert single(kind, cell) == (value, {})


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        (ColumnType.INSTANT, "infinity", None),
        (ColumnType.INSTANT, "+999999-01-01T00:00:00.000Z", None),
        (ColumnType.INTEGER, str(2**63), None),
        (ColumnType.USAGE, str(2**64), None),
        (ColumnType.USAGE, "-1", None),
        (ColumnType.COST, "1000000", None),
        (ColumnType.COST, "0.0000000000001", None),
        (ColumnType.BOOLEAN, "maybe", None),
        (ColumnType.TEXTS, "{}", None),
        (ColumnType.TEXT_MAP, "[1", None),
        (ColumnType.BOOLEANS, "[1,0.5]", [True, None]),
        (ColumnType.DOUBLES, '["text"]', [None]),
        (ColumnType.USAGE_MAP, '{"a":1,"b":-1}', [("a", 1), ("b", None)]),
        (ColumnType.COST_MAP, '{"a":1e6}', [("a", None)]),
    ],
)
def test_what_does_not_fit_is_missing_and_counted(
    kind: ColumnType, cell: str, value: object
) -> None:
    assert single(kind, cell) == (value, {"x": 1})


def test_each_row_whose_value_does_not_fit_is_counted() -> None:
    column = OutputColumn(name="x", kind=Kind.JSON, type=ColumnType.USAGE_MAP)
    encoder = format_writer(ExportFormat.PARQUET, (column,)).encoder()
    batch = record_batch((column,), [Record({"x": '{"a":-1}'})] * 5 + [Record({"x": '{"a":1}'})])
    list(encoder.rows(batch))
    assert encoder.unfit == {"x": 5}


def test_every_type_has_one_in_arrow() -> None:
    assert set(ARROW_TYPES) == set(ColumnType)


@pytest.mark.parametrize("table", table_names())
def test_what_is_no_text_in_csv_has_a_type_of_its_own(table: str) -> None:
    """A column that is declared without a type would be text, whatever it holds."""
    untyped = {
        column.name
        for column in table_source(table).columns
        if column.kind is not Kind.TEXT and column.type is ColumnType.TEXT
    }
    assert untyped == set()
