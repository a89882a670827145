"""Exported files as data frames, the recorded ones of Langfuse's worker among them."""

import csv
import io
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lf_export_pipeline import read_export
from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.formats.compression import new_compressor
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline.core.tables.traces import COLUMNS
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes

NAMES = [column.name for column in COLUMNS]
ROW: dict[str, Any] = {
    **dict.fromkeys(NAMES),
    "id": "0042",
    "timestamp": "2031-02-20T00:00:00.123Z",
    "name": "a trace",
    "tags": ["x", "y"],
    "bookmarked": True,
    "public": False,
    "input": '{"a": 1}',
    "metadata": {"k": "v"},
    "comments": [],
}
EMPTY: dict[str, Any] = {**dict.fromkeys(NAMES), "id": "7", "tags": [], "bookmarked": False}


def as_csv(rows: list[dict[str, Any]], *, plain: bool = False) -> str:
    """As Langfuse writes it: JSON in cells, instants with the quotes of a JSON string."""

    def cell(name: str, value: Any) -> str:
        if value is None:
            return ""
        if name == "timestamp":
            return value if plain else json.dumps(value)
        return value if isinstance(value, str) else json.dumps(value)

    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([cell(name, value) for name, value in row.items()] for row in rows)
    return out.getvalue()


def stored(folder: Path, text: str) -> Path:
    path = folder / "export"
    path.write_bytes(text.encode())
    return path


FORMATS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "CSV": as_csv,
    "CSV with plain instants": lambda rows: as_csv(rows, plain=True),
    "CSV with a mark": lambda rows: "\ufeff" + as_csv(rows),
    "JSON": json.dumps,
    "JSONL": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_the_same_types(name: str, tmp_path: Path) -> None:
    frame = read_export(stored(tmp_path, FORMATS[name]([ROW, EMPTY])))

    assert list(frame.columns) == NAMES
    assert list(frame["id"]) == ["0042", "7"]
    assert str(frame["timestamp"].dtype) == "datetime64[ms, UTC]"
    assert frame["timestamp"][0] == pd.Timestamp("2031-02-20T00:00:00.123Z")
    assert frame["timestamp"][1] is pd.NaT
    assert str(frame["bookmarked"].dtype) == "boolean"
    assert list(frame["bookmarked"]) == [True, False]
    assert frame["public"].isna().tolist() == [False, True]
    assert frame["name"][0] == "a trace"
    assert frame["name"][1] is None
    assert json.loads(frame["tags"][0]) == ["x", "y"]
    assert json.loads(frame["metadata"][0]) == {"k": "v"}


@pytest.mark.parametrize("name", FORMATS)
def test_lists_and_objects_are_parsed_on_request(name: str, tmp_path: Path) -> None:
    frame = read_export(stored(tmp_path, FORMATS[name]([ROW, EMPTY])), parse_json=True)

    assert frame["tags"][0] == ["x", "y"]
    assert frame["metadata"][0] == {"k": "v"}
    assert frame["input"][0] == '{"a": 1}'  # a text of the user's, which Langfuse does not parse


@pytest.mark.parametrize("text", ["[" * 3_000, "[" * 101 + "]" * 101, "NaN", '{"a":-Infinity}'])
def test_a_cell_that_no_file_embeds_stays_text(text: str, tmp_path: Path) -> None:
    frame = read_export(stored(tmp_path, as_csv([{**ROW, "metadata": text}])), parse_json=True)

    assert frame["metadata"][0] == text


def test_a_number_beyond_all_doubles_is_a_text_in_a_cell_too(tmp_path: Path) -> None:
    numbers = [1.5, -(2**63), 2**64 - 1]
    row = {**ROW, "metadata": f'{{"a":[1e400,{2**64},{"1" * 400}],"b":{numbers}}}'}
    frame = read_export(stored(tmp_path, as_csv([row])), parse_json=True)

    assert frame["metadata"][0] == {"a": ["1e400", str(2**64), "1" * 400], "b": numbers}


@pytest.mark.parametrize("name", ["CSV", "JSONL"])
def test_score_columns_are_lists(name: str, tmp_path: Path) -> None:
    rows = [{**ROW, "quality": [0.5, 1]}, {**EMPTY, "quality": None}]

    frame = read_export(stored(tmp_path, FORMATS[name](rows)), parse_json=True)

    assert frame["quality"][0] == [0.5, 1]
    assert frame["quality"][1] is None


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
@pytest.mark.parametrize("name", FORMATS)
def test_compressed_files_of_several_members_are_read(
    name: str, compression: Compression, tmp_path: Path
) -> None:
    data = FORMATS[name]([ROW, EMPTY]).encode()
    compressors = [new_compressor(compression) for _ in range(2)]
    members = [data[:99], data[99:]]
    path = tmp_path / "compressed"
    path.write_bytes(
        b"".join(
            one.compress(memoryview(member)) + one.flush()
            for one, member in zip(compressors, members, strict=True)
            if one is not None
        )
    )
    pd.testing.assert_frame_equal(
        read_export(path), read_export(stored(tmp_path, FORMATS[name]([ROW, EMPTY])))
    )


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    """The rows as the stores give them: all of it text."""
    cells: dict[str, Any] = {
        name: [
            None
            if row[name] is None
            else cell
            if isinstance(cell := row[name], str)
            else json.dumps(cell)
            for row in rows
        ]
        for name in NAMES
    }
    writer = format_writer(ExportFormat.PARQUET, COLUMNS)
    return file_bytes(
        writer, [[pa.record_batch({n: pa.array(c, pa.string()) for n, c in cells.items()})]]
    )


@pytest.mark.parametrize("parse_json", [False, True])
def test_parquet_gives_the_frame_that_jsonl_gives(parse_json: bool, tmp_path: Path) -> None:
    path = tmp_path / "parquet"
    path.write_bytes(as_parquet([ROW, EMPTY]))
    frame = read_export(path, parse_json=parse_json)
    expected = read_export(stored(tmp_path, FORMATS["JSONL"]([ROW, EMPTY])), parse_json=parse_json)
    pd.testing.assert_frame_equal(frame, expected)


def test_parquet_without_rows_gives_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "parquet"
    path.write_bytes(as_parquet([]))
    assert list(read_export(path).columns) == NAMES


@pytest.mark.parametrize("text", ["", "[]"])
def test_a_file_without_rows_is_an_empty_frame(text: str, tmp_path: Path) -> None:
    assert read_export(stored(tmp_path, text)).empty


def test_a_header_alone_gives_the_columns(tmp_path: Path) -> None:
    header = as_csv([ROW]).split("\n", maxsplit=1)[0] + "\n"

    frame = read_export(stored(tmp_path, header))

    assert list(frame.columns) == NAMES
    assert frame.empty


def test_instants_of_any_year_are_kept(tmp_path: Path) -> None:
    old, late = ({**ROW, "timestamp": f"{year}-01-01T00:00:00.000Z"} for year in (1400, 2290))

    frame = read_export(stored(tmp_path, as_csv([old, late])))

    assert [instant.year for instant in frame["timestamp"]] == [1400, 2290]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a\nb,c\n", "{no JSON", "[1, 2", "# Title\n\na,b"])
def test_a_file_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a file of an export"):
        read_export(stored(tmp_path, text))


def test_a_link_is_read_like_a_file() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(as_csv([ROW]).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.handle_request)
    thread.start()
    frame = read_export(f"http://127.0.0.1:{server.server_address[1]}/x?X-Amz-Signature=1")
    thread.join()
    server.server_close()
    assert list(frame["id"]) == ["0042"]


@pytest.mark.golden
def test_every_recorded_file_is_read_with_its_rows_and_types(golden_dir: Path) -> None:
    """The files that Langfuse's worker wrote: of every table, in every format."""
    checked = 0
    for path in sorted(golden_dir.glob("cases/*/expected.*")):
        is_file = path.suffix in {".csv", ".json", ".jsonl"} and path.stat().st_size > 0
        if not is_file or "clash" in path.parent.name:  # there a score replaces another column
            continue
        frame = read_export(path)
        assert len(frame) == len(_records(path)), path
        for name in {"timestamp", "createdAt", "startTime"} & set(frame.columns):
            assert str(frame[name].dtype) == "datetime64[ms, UTC]", (path, name)
        assert not frame.empty or path.suffix != ".csv"
        checked += 1
    assert checked > 100


def _records(path: Path) -> list[Any]:
    text = path.read_bytes().decode()
    if path.suffix == ".csv":
        csv.field_size_limit(1 << 30)
        return list(csv.DictReader(io.StringIO(text, newline="")))
    if path.suffix == ".json":
        records: list[Any] = json.loads(text)
        return records
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_a_file_with_few_columns_is_known_too(
    write: Callable[[list[dict[str, Any]]], str], tmp_path: Path
) -> None:
    names = ("id", "timestamp", "bookmarked", "metadata")
    rows = [{**{name: row[name] for name in names}, "quality": [0.5]} for row in (ROW, EMPTY)]
    frame = read_export(stored(tmp_path, write(rows)))
    assert list(frame["id"]) == ["0042", "7"]
    assert str(frame["timestamp"].dtype) == "datetime64[ms, UTC]"
    assert str(frame["bookmarked"].dtype) == "boolean"
    assert json.loads(frame["metadata"][0]) == {"k": "v"}
    assert json.loads(frame["quality"][0]) == [0.5]


PAYLOADS: dict[str, list[Any]] = {
    "instants": ["2031-02-20T00:00:00.123456Z", "2031-02-21 00:00:00"],
    "numbers with zeros in front": ["007", "12"],
    "numbers of many digits": ["12345678901234567890123", "17"],
    "numbers of more digits than Python reads": ["9" * 5_000, "-" + "9" * 5_000],
    "digits of another script": ["\u0663", "\u0664"],
    "numbers beyond all doubles": ["1e400", "-1e400", "17"],
}


@pytest.mark.parametrize("texts", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_payload_keeps_what_it_says(
    write: Callable[[list[dict[str, Any]]], str], texts: list[Any], tmp_path: Path
) -> None:
    """Whatever it looks like: no character of it may be lost to a guess."""
    names = [column.name for column in table_source("observations").columns]
    rows = [{**dict.fromkeys(names), "id": "o", "input": each} for each in texts]
    assert list(read_export(stored(tmp_path, write(rows)))["input"]) == texts


COLUMNS_OF_NUMBERS: dict[str, tuple[str, list[Any], str, list[Any]]] = {
    "whole": ("totalTokens", [1, 2**63 - 1], "Int64", [1, 2**63 - 1]),
    "unsigned": ("totalTokens", [1, 2**64 - 1], "UInt64", [1, 2**64 - 1]),
    "too long": ("totalTokens", [1, str(2**64)], "object", ["1", str(2**64)]),
    "with a fraction": ("sessionDuration", [0.5, 3.0], "Float64", [0.5, 3]),
    "without one": ("sessionDuration", [2.0, 3.0], "Float64", [2, 3]),
    "long without one": ("sessionDuration", [2.0, 1e20], "Float64", [2, 1e20]),
    "text": ("totalCost", ["0.25", "3"], "Float64", [0.25, 3]),
}


@pytest.mark.parametrize("case", COLUMNS_OF_NUMBERS.values(), ids=COLUMNS_OF_NUMBERS)
@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_a_column_of_numbers_has_one_type_and_all_digits(
    write: Callable[[list[dict[str, Any]]], str],
    case: tuple[str, list[Any], str, list[Any]],
    tmp_path: Path,
) -> None:
    name, cells, dtype, expected = case
    columns = [column.name for column in table_source("sessions").columns]
    rows = [{**dict.fromkeys(columns), "id": "s", name: cell} for cell in cells]
    frame = read_export(stored(tmp_path, write(rows)))
    assert (str(frame[name].dtype), list(frame[name])) == (dtype, expected)


ODD_NAMES = ["", "Unnamed: 15", "quality", "quality.1", "Quality"]


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_a_score_keeps_its_name_whatever_that_is(
    write: Callable[[list[dict[str, Any]]], str], tmp_path: Path
) -> None:
    rows = [{**ROW, **{name: [at] for at, name in enumerate(ODD_NAMES)}}]
    frame = read_export(stored(tmp_path, write(rows)), parse_json=True)
    assert list(frame.columns) == [*NAMES, *ODD_NAMES]
    assert [frame[name][0] for name in ODD_NAMES] == [[at] for at in range(len(ODD_NAMES))]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1960-01-01 00:00:00.123456", "1960-01-01T00:00:00.123"),
        ("2031-01-01 00:00:00.123999", "2031-01-01T00:00:00.123"),
        ("+012345-01-01T00:00:00.000Z", "12345-01-01T00:00:00.000"),
        ("-000043-03-15T00:00:00.000Z", "-043-03-15T00:00:00.000"),
    ],
)
def test_each_format_cuts_instants_to_the_same_millisecond(
    written: str, shown: str, tmp_path: Path
) -> None:
    row = {**ROW, "timestamp": written}
    path = tmp_path / "export"
    for data in (as_parquet([row]), *(write([row]).encode() for write in FORMATS.values())):
        path.write_bytes(data)
        instants = read_export(path)["timestamp"]
        assert str(instants.dtype) == "datetime64[ms, UTC]"
        assert instants.astype("int64")[0] == np.datetime64(shown, "ms").astype("int64")


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_what_several_tables_have_is_text_unless_the_table_is_named(
    write: Callable[[list[dict[str, Any]]], str], tmp_path: Path
) -> None:
    path = stored(tmp_path, write([{"id": "0042", "name": "a", "input": "17"}]))
    assert read_export(path)["id"][0] == "0042"
    assert read_export(path)["input"][0] == "17"
    assert read_export(path, table="traces")["input"][0] == "17"
    assert read_export(path, table="observations")["input"][0] == 17


def test_embedded_json_of_few_columns_is_text_or_parsed(tmp_path: Path) -> None:
    path = stored(tmp_path, json.dumps({"id": "a", "input": {"k": [1]}}) + "\n")
    assert read_export(path)["input"][0] == '{"k":[1]}'
    assert read_export(path, parse_json=True)["input"][0] == {"k": [1]}


def test_a_table_that_nobody_exports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no table 'trace'; expected one of"):
        read_export(stored(tmp_path, ""), table="trace")
