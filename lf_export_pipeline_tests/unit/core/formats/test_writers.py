import csv
import io
import json
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings

from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.formats.pretty import indent_json
from lf_export_pipeline.core.formats.text import Rows
from lf_export_pipeline.core.formats.writer import WRITERS, ChunkEnding, Layout, PlainChunk, writes
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.csv_options import CsvOptions
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.unit.core.formats import nasty
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes
from lf_export_pipeline_tests.unit.core.formats.reference import FILES, TEXTS, Record, record_batch

TEXT = (OutputColumn(name="text"),)
UNSEEN = (
    *("\n", "\r", "\t", "\v", "\f", " ", "\x00", "\x01", "\x7f", "\x85", "\xa0", "\xad"),
    *("\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2028", "\u3000", "\u180e"),
    *("\u115f", "\u3164", "\ufe0f", "\u034f", "\u2800", "\U000e0020"),
)
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"


def csv_cells(cells: list[str], *, guard_formulas: bool) -> list[str]:
    batch = record_batch(TEXT, [Record({"text": cell}) for cell in cells])
    options = CsvOptions(guard_formulas=guard_formulas)
    writer = format_writer(ExportFormat.CSV, TEXT, ("=score",), options)
    lines = csv.reader(io.StringIO(file_bytes(writer, [[batch]]).decode(), newline=""), strict=True)
    header, *rows = lines
    return [header[1], *(row[0] for row in rows)]


def test_formulas_are_guarded_only_when_asked() -> None:
    formulas = [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "\x00x",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
        *(f"{unseen}{sign}1" for unseen in UNSEEN for sign in SIGNS),
        " \n\u200b\t=1",
    ]
    harmless = ["a=1", "a\n=1", "", " ", "\n", "\u200b", " a=1", "1-1", "'=1"]
    cells = [*formulas, "\\u003d1", *harmless]
    plain = [*formulas, "=1", *harmless]
    assert csv_cells(cells, guard_formulas=False) == ["=score", *plain]
    guarded = [*(f"'{one}" for one in formulas), "'=1", *harmless]
    assert csv_cells(cells, guard_formulas=True) == ["'=score", *guarded]


@pytest.mark.parametrize("kind", [Kind.JSON, Kind.MAYBE_JSON])
def test_a_negative_number_is_no_formula(kind: Kind) -> None:
    columns = (OutputColumn(name="latency", kind=kind),)
    writer = format_writer(ExportFormat.CSV, columns, csv=CsvOptions(guard_formulas=True))
    batch = record_batch(columns, [Record({"latency": "-0.5"}, frozenset({"latency"}))])
    assert file_bytes(writer, [[batch]]) == b'"latency"\n"-0.5"\n'


def test_a_text_that_is_no_json_is_guarded_beside_numbers() -> None:
    columns = (OutputColumn(name="input", kind=Kind.MAYBE_JSON),)
    writer = format_writer(ExportFormat.CSV, columns, csv=CsvOptions(guard_formulas=True))
    flag = frozenset({"input"})
    records = [Record({"input": "-5"}, flag), Record({"input": "-5+x"}), Record({"input": None})]
    batch = record_batch(columns, [*records, Record({"input": "\t-5"}, flag)])
    assert file_bytes(writer, [[batch]]).decode() == '"input"\n"-5"\n"\'-5+x"\n""\n"\'\t-5"\n'


@pytest.mark.parametrize("fmt", [ExportFormat.JSON, ExportFormat.JSONL])
def test_json_strings_are_escaped_as_javascript_does(fmt: ExportFormat) -> None:
    text = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\u2029é😀'
    batch = record_batch(TEXT, [Record({"text": text})])
    found = file_bytes(format_writer(fmt, TEXT), [[batch]]).decode()
    assert (
        r'{"text":"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f'
        r"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d"
        r"\u001e\u001f\"\\/" + '\x7f\\u2028\\u2029é😀"}'
    ) in found


@pytest.mark.parametrize("scores", [(), ("a", "b")])
@pytest.mark.parametrize("fmt", TEXTS)
def test_columns_of_nulls_alone_are_written_for_every_row(
    fmt: ExportFormat, scores: tuple[str, ...]
) -> None:
    columns = tuple(OutputColumn(name=kind, kind=kind) for kind in Kind)
    for full in (None, 0, 2, 4):
        cells = dict.fromkeys(Kind, None) | ({[*Kind][full]: "1"} if full is not None else {})
        rows = [Record({str(kind): cell for kind, cell in cells.items()})] * 3
        found = file_bytes(format_writer(fmt, columns, scores), [[record_batch(columns, rows)]])
        assert found == FILES[fmt](columns, scores, rows)


def test_flags_that_are_null_mean_text() -> None:
    columns = (OutputColumn(name="input", kind=Kind.MAYBE_JSON),)
    batch = pa.record_batch(
        {
            "input": pa.array(["[1]", "[2]", None, None], pa.string()),
            "input#json": pa.array([None, True, True, None], pa.bool_()),
        }
    )
    found = file_bytes(format_writer(ExportFormat.JSON, columns), [[batch]])
    assert json.loads(found) == [{"input": cell} for cell in ("[1]", [2], None, None)]


@pytest.mark.parametrize("fmt", [ExportFormat.JSON, ExportFormat.JSONL])
def test_embedded_json_is_put_on_one_line_and_text_keeps_its_breaks(fmt: ExportFormat) -> None:
    columns = (OutputColumn(name="input", kind=Kind.MAYBE_JSON),)
    batch = pa.record_batch(
        {
            "input": pa.array(
                ['{\r\n "a\\n": [1,\n2]\n}', "line 1\nline 2\r", "[\n]"], pa.string()
            ),
            "input#json": pa.array([True, False, True], pa.bool_()),
        }
    )
    found = file_bytes(format_writer(fmt, columns), [[batch]]).decode()
    assert '{"input":{ "a\\n": [1,2]}}' in found
    assert '{"input":"line 1\\nline 2\\r"}' in found
    assert '{"input":[]}' in found


@settings(deadline=None)
@given(value=nasty.json_value)
def test_indenting_follows_the_layout_of_javascript(value: object) -> None:
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert indent_json(compact) == json.dumps(value, ensure_ascii=False, indent=2)


def test_indenting_keeps_digits_and_spelling() -> None:
    compact = '{"a":12345678901234567890.10,"b":[1e400,"\\u000a"],"c":true,"d":[{}]}'
    assert indent_json(compact) == (
        '{\n  "a": 12345678901234567890.10,\n  "b": [\n    1e400,\n    "\\u000a"\n  ],\n'
        '  "c": true,\n  "d": [\n    {}\n  ]\n}'
    )


def test_a_new_format_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WRITERS, ExportFormat.CSV, WRITERS[ExportFormat.CSV])

    @writes(ExportFormat.CSV)
    class CountWriter(PlainChunk):
        content_type, extension = "text/plain", "txt"
        prefix = separator = empty = b""

        def __init__(self, layout: Layout) -> None:
            self.layout = layout

        def end(self, endings: Sequence[ChunkEnding]) -> bytes:
            return b"end" * len(endings)

        def encoder(self) -> "CountWriter":
            return self

        def rows(self, batch: pa.RecordBatch) -> Iterator[Rows]:
            said = f"{len(self.layout.columns)}x{batch.num_rows}"
            yield Rows(memoryview(said.encode()), batch.num_rows)

    batch = record_batch(TEXT, [Record({"text": "x"})])
    assert file_bytes(format_writer(ExportFormat.CSV, TEXT), [[batch]]) == b"1x1end"
