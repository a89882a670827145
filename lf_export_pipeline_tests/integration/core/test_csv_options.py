"""The options of CSV files, read by every reader with the calls of docs/files.md."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import NOON, Project
from lf_export_pipeline_tests.integration.core.test_readers import (
    FILL,
    count,
    documented,
    sessions,
    traces,
)

pytestmark = pytest.mark.services

MARK = b"\xef\xbb\xbf"
BOM, PLAIN, HEADER = (
    "lf_export_csv_bom",
    "lf_export_csv_plain_instants",
    "lf_export_csv_empty_header",
)
INSTANTS = {
    "traces": ["timestamp"],
    "observations": ["startTime", "createdAt"],
    "scores": ["timestamp"],
    "sessions": ["createdAt"],
    "dataset_items": ["createdAt", "updatedAt"],
    "dataset_run_items": ["createdAt", "updatedAt"],
    "audit_logs": ["createdAt", "updatedAt"],
}


def with_options(project: Project, *options: str) -> Project:
    """The same project, exported with these settings on."""
    changes = dict.fromkeys(options, True)
    return replace(project, settings=project.settings.model_copy(update=changes))


def opened(data: bytes, path: Path) -> dict[str, Any]:
    """What each reader makes of a CSV file."""
    path.write_bytes(data)
    found = {}
    for reader, call in documented("CSV"):
        names: dict[str, Any] = {"path": str(path)}
        exec(call, names)
        found[reader] = names["rows"]
    assert set(found) == {"pandas", "polars", "duckdb", "pyarrow"}
    return found


def columns(rows: Any) -> list[str]:
    return list(rows.column_names if hasattr(rows, "column_names") else rows.columns)


@pytest.mark.parametrize("table", list(FILL))
def test_a_file_with_a_byte_order_mark_is_the_same_file_to_every_reader(
    project: Project, table: str, tmp_path: Path
) -> None:
    FILL[table](project)
    plain = project.export(table, file_format="CSV")
    marked = with_options(project, BOM).export(table, file_format="CSV")
    assert marked.data == MARK + plain.data
    known = opened(plain.data, tmp_path / "plain.csv")
    for reader, rows in opened(marked.data, tmp_path / "marked.csv").items():
        assert columns(rows) == columns(known[reader]), reader
        assert columns(rows)[0] in ("id", "projectId"), reader
        assert count(rows) == count(known[reader]) == sum(marked.part_rows), reader


@pytest.mark.parametrize("table", list(INSTANTS))
def test_plain_instants_have_no_quotes_to_any_reader(
    project: Project, table: str, tmp_path: Path
) -> None:
    FILL[table](project)
    quoted = project.export(table, file_format="CSV")
    assert f'"""{NOON}"""'.encode() in quoted.data
    plain = with_options(project, PLAIN).export(table, file_format="CSV")
    assert b'"""2031-' not in plain.data
    for reader, rows in opened(plain.data, tmp_path / "plain.csv").items():
        for column in INSTANTS[table]:
            assert set(cells(rows, column)) == {NOON}, reader


def cells(rows: Any, column: str) -> list[str]:
    """The cells of a column, whatever has read it; pyarrow takes plain instants for instants."""
    if hasattr(rows, "fetchall"):
        return [cell for (cell,) in rows.select(f'"{column}"').fetchall()]
    found = rows[column]
    listed = list(found.to_pylist() if hasattr(found, "to_pylist") else found)
    return [_written(cell) if isinstance(cell, datetime) else cell for cell in listed]


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_plain_decimals_are_numbers(project: Project) -> None:
    sessions(project)
    filters = [
        {"column": "id", "type": "stringOptions", "operator": "any of", "value": ["session-250"]}
    ]
    quoted = project.export("sessions", filters, file_format="CSV").cells
    plain = with_options(project, PLAIN).export("sessions", filters, file_format="CSV").cells
    decimals = [
        name for name, cell in quoted.items() if cell.startswith('"') and cell != f'"{NOON}"'
    ]
    assert "totalCost" in decimals
    for name in decimals:
        assert plain[name] == quoted[name].strip('"')
        assert float(plain[name]) >= 0


@pytest.mark.parametrize("table", list(FILL))
def test_a_header_without_rows_is_a_table_without_rows_to_every_reader(
    project: Project, table: str, tmp_path: Path
) -> None:
    assert project.export(table, file_format="CSV").data == b""
    empty = with_options(project, HEADER, BOM).export(table, file_format="CSV")
    names = [column.name for column in empty.query.columns]
    assert empty.data == MARK + ('"' + '","'.join(names) + '"\n').encode()
    for reader, rows in opened(empty.data, tmp_path / "empty.csv").items():
        assert columns(rows) == names, reader
        assert count(rows) == 0, reader


def test_the_options_change_no_json(project: Project) -> None:
    traces(project)
    changed = with_options(project, BOM, PLAIN, HEADER)
    for file_format in ("JSON", "JSONL"):
        usual = project.export("traces", file_format=file_format)
        assert changed.export("traces", file_format=file_format).data == usual.data
