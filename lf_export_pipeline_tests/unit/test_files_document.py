"""docs/files.md names every column of every table, with its type in each format."""

import re
from pathlib import Path

import pytest

from lf_export_pipeline.core.formats.arrow_types import ARROW_TYPES
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.column_groups import GROUPS
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.tables import (
    audit_logs,
    dataset_items,
    dataset_run_items,
    events,
    scores,
    sessions,
    traces,
)
from lf_export_pipeline.core.tables.observation_columns import observation_columns

DOCUMENT = Path(__file__).parents[2] / "docs" / "files.md"

TABLES = {
    "traces": traces.COLUMNS,
    "observations": observation_columns(ExportFormat.JSONL),
    "events": events.COLUMNS,
    "scores": scores.COLUMNS,
    "sessions": sessions.COLUMNS,
    "dataset_items": dataset_items.COLUMNS,
    "dataset_run_items": dataset_run_items.COLUMNS,
    "audit_logs": audit_logs.COLUMNS,
}
LISTS = {"tags", "traceTags", "userIds", "toolCalls", "toolCallNames"}
BOOLEANS = {"bookmarked", "public"}
OBJECTS = {"metadata", "toolDefinitions"}


def json_type(column: OutputColumn) -> str:
    name = column.name
    if column.kind in {Kind.TEXT, Kind.QUOTED}:
        return "string"
    if column.kind is Kind.MAYBE_JSON:
        return "any JSON, or a string"
    if column.kind is Kind.PRETTY_JSON:
        return "list of objects"
    if name in OBJECTS or name.endswith("Details"):
        return "object"
    return "list of strings" if name in LISTS else "boolean" if name in BOOLEANS else "number"


def csv_type(column: OutputColumn) -> str:
    if column.kind is Kind.QUOTED:
        return "JSON string, with its quotes"
    is_text = column.kind in {Kind.TEXT, Kind.MAYBE_JSON}
    return "text" if is_text or json_type(column) in {"number", "boolean"} else "JSON text"


def parquet_type(column: OutputColumn) -> str:
    """As Arrow calls it, without the names of what is in it."""
    written = str(ARROW_TYPES[column.type]).replace("item: ", "")
    return re.sub(r" \('\w*'\)", "", written).replace("[us, tz=UTC]", "(us, UTC)")


def section(table: str) -> str:
    rows = [
        f"| {each.name} | {json_type(each)} | {csv_type(each)} | {parquet_type(each)} |"
        for each in TABLES[table]
    ]
    head = ["| column | JSON, JSONL | CSV | Parquet |", "|---|---|---|---|"]
    return "\n".join([f"### {table}\n", *head, *rows])


@pytest.mark.parametrize("table", list(TABLES))
def test_the_columns_of_a_table_are_those_of_the_code(table: str) -> None:
    assert section(table) + "\n" in DOCUMENT.read_text(encoding="utf-8")


def test_every_group_of_columns_is_listed() -> None:
    section = DOCUMENT.read_text().partition("| group | columns |")[2].partition("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines()[2:]]
    expected = {name: ", ".join(columns) for name, columns in GROUPS.items()}
    assert dict(lines) == {**expected, "scores": "all score columns"}
