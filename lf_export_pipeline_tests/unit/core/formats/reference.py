"""The formats once more: one cell at a time, slow and obvious, to hold the columnar ones to.

Written from the description of the formats and not from the serialisers, hence no import from them.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from lf_export_pipeline.core.query.columns import (
    JSON_FLAG_SUFFIX,
    SCORE_CELLS,
    SCORE_INDEXES,
    Kind,
    OutputColumn,
)
from lf_export_pipeline.core.request.model import ExportFormat

ESCAPE = re.compile(r"(\\+)u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Record:
    """One row; ``flags`` are the columns whose text is JSON, ``scores`` has JSON text by column."""

    cells: Mapping[str, str | None]
    flags: frozenset[str] = frozenset()
    scores: Mapping[int, str] = field(default_factory=dict)


def record_batch(
    columns: Iterable[OutputColumn], records: list[Record], text_type: pa.DataType | None = None
) -> pa.RecordBatch:
    """The records as the stores deliver them."""
    fields: dict[str, pa.Array] = {"unrelated": pa.array([1] * len(records), pa.int64())}
    for column in columns:
        cells = [record.cells[column.name] for record in records]
        fields[column.name] = pa.array(cells, text_type or pa.string())
        if column.kind is Kind.MAYBE_JSON:
            flags = [column.name in record.flags for record in records]
            fields[column.name + JSON_FLAG_SUFFIX] = pa.array(flags, pa.bool_())
    indexes = [sorted(record.scores) or None for record in records]
    cells_of = [[record.scores[index] for index in sorted(record.scores)] for record in records]
    fields[SCORE_INDEXES] = pa.array(indexes, pa.list_(pa.uint32()))
    fields[SCORE_CELLS] = pa.array([cells or None for cells in cells_of], pa.list_(pa.string()))
    return pa.record_batch(fields)


def decode(text: str, *, json_text: bool) -> str:
    out, position = [], 0
    while match := ESCAPE.search(text, position):
        out.append(text[position : match.start()])
        following = ESCAPE.match(text, match.end())
        decoded, end = _decode_one(match, following, json_text=json_text)
        out.append(decoded)
        position = end
    return "".join([*out, text[position:]])


def _decode_one(
    match: re.Match[str], following: re.Match[str] | None, *, json_text: bool
) -> tuple[str, int]:
    run, code = match.group(1), int(match.group(2), 16)
    # In JSON text an odd run of backslashes ends in an escape of JSON; pairs before it are data.
    is_json_escape = json_text and len(run) % 2 == 1
    data = run[:-1] if is_json_escape else ""
    if 0xD800 <= code < 0xDC00 and following and _completes_pair(following, json_text=json_text):
        low = int(following.group(2), 16)
        return data + chr(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), following.end()
    if 0xD800 <= code < 0xE000:
        slashes = run if is_json_escape else "\\\\" if json_text else "\\"
        return f"{slashes}u{match.group(2)}", match.end()
    if code < 0x20 or chr(code) in '"\\':
        return match.group(), match.end()
    return data + chr(code), match.end()


def _completes_pair(match: re.Match[str], *, json_text: bool) -> bool:
    is_low = 0xDC00 <= int(match.group(2), 16) < 0xE000
    count = len(match.group(1))
    return is_low and (not json_text or count == 1 or count % 2 == 0)


def readable(text: str, beyond: Callable[[str], str] = json.dumps) -> str:
    """Whole numbers beyond 64 bits as strings; test values are free of floats."""
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', text, flags=re.DOTALL)
    pieces[::2] = [_with_numbers(piece, beyond) for piece in pieces[::2]]
    return "".join(pieces)


def _with_numbers(text: str, beyond: Callable[[str], str]) -> str:
    def number(match: re.Match[str]) -> str:
        return match[0] if -(2**63) <= int(match[0]) < 2**64 else beyond(match[0])

    return re.sub(r"-?\d+", number, text)


def readable_scores(text: str) -> str:
    """Whole numbers beyond 64 bits with an exponent: a score is a double."""
    return readable(text, lambda digits: repr(float(digits)))


def json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def pretty(text: str) -> str:
    """The layout of JSON.stringify(value, null, 2); test values are free of floats."""
    return json.dumps(json.loads(text), ensure_ascii=False, indent=2)


def json_cell(column: OutputColumn, record: Record) -> str:
    cell = record.cells[column.name]
    if cell is None:
        return "null"
    if column.kind is Kind.QUOTED:
        return json_string(cell)
    if column.kind is Kind.DOUBLE:
        return f"{cell}.0" if re.fullmatch(r"-?\d+", cell) else cell
    is_json = column.kind in {Kind.JSON, Kind.PRETTY_JSON} or column.name in record.flags
    decoded = decode(cell, json_text=is_json)
    return readable(decoded) if is_json else json_string(decoded)


def csv_cell(column: OutputColumn, record: Record) -> str:
    cell = record.cells[column.name]
    if cell is None:
        return ""
    if column.kind is Kind.QUOTED:
        return json_string(cell)
    decoded = decode(cell, json_text=column.kind in {Kind.JSON, Kind.PRETTY_JSON})
    return pretty(decoded) if column.kind is Kind.PRETTY_JSON else decoded


def csv_line(fields: Iterable[str]) -> str:
    return ",".join('"' + text.replace('"', '""') + '"' for text in fields) + "\n"


def json_object(
    columns: Iterable[OutputColumn], score_columns: tuple[str, ...], record: Record
) -> str:
    members = [f"{json_string(column.name)}:{json_cell(column, record)}" for column in columns]
    for index, name in enumerate(score_columns):
        value = record.scores.get(index)
        text = "null" if value is None else readable_scores(decode(value, json_text=True))
        members.append(f"{json_string(name)}:{text}")
    row = "{" + ",".join(members) + "}"
    return row.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029").replace("\x85", r"\u0085")


def csv_file(
    columns: tuple[OutputColumn, ...], score_columns: tuple[str, ...], records: list[Record]
) -> bytes:
    if not records:
        return b""
    lines = [csv_line([*(column.name for column in columns), *score_columns])]
    for record in records:
        cells = [csv_cell(column, record) for column in columns]
        scores = [record.scores.get(index, "") for index in range(len(score_columns))]
        lines.append(csv_line([*cells, *(decode(text, json_text=True) for text in scores)]))
    return "".join(lines).encode()


def json_file(
    columns: tuple[OutputColumn, ...], score_columns: tuple[str, ...], records: list[Record]
) -> bytes:
    objects = [json_object(columns, score_columns, record) for record in records]
    return ("[" + ",".join(objects) + "]").encode()


def jsonl_file(
    columns: tuple[OutputColumn, ...], score_columns: tuple[str, ...], records: list[Record]
) -> bytes:
    return "".join(json_object(columns, score_columns, r) + "\n" for r in records).encode()


TEXTS = tuple(fmt for fmt in ExportFormat if fmt.is_text)
"""The formats that are written here once more."""

FileWriter = Callable[[tuple[OutputColumn, ...], tuple[str, ...], list[Record]], bytes]
FILES: dict[str, FileWriter] = {"CSV": csv_file, "JSON": json_file, "JSONL": jsonl_file}
