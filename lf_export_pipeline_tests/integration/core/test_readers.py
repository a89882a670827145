"""Every file opens whole in pandas, polars, pyarrow, DuckDB, orjson and jq.

The calls are those of docs/files.md, run as they stand there.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars
import pytest

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_pipeline_tests.exporting import NOON, Project

pytestmark = pytest.mark.services

DOCUMENT = Path(__file__).parents[3] / "docs" / "files.md"
READERS = ("pandas", "polars", "duckdb", "pyarrow", "orjson", "jq")

NUMBERS = (
    *("12345678901234567890123", "-12345678901234567890123", "18446744073709551615"),
    *("18446744073709551616", "-9223372036854775808", "-9223372036854775809", "-0", "1e30"),
    *("1e400", "-1E400", "1e-400", "0e400", "0e999999999999", "1e-99999999999", "5e-324"),
    *("1.7976931348623157e308", "1.7976931348623159e308", "1" * 400, "1" * 30 + ".5"),
    *("12345678901234567890123e-5", "0." + "1" * 400, "1e+000000000000000005", "1.0", "17"),
)
TEXTS = (
    *(r'"\ud83d\ude00"', r'"\u0000"'),
    *('"\x85"', '"\u2028\u2029\x85"', r'"\u2028"', '"plain"', '{"a":"\x7f\uffff"}', '""'),
)
SHAPES = (
    *('{"a":1,"a":2}', '{"x":[{"a":1,"a":2}]}', r'{"a":1,"\u0061":2}', '{"a":1,"A":2}'),
    *("null", "true", "[]", "{}", '[1,"x",{"a":[]}]', '{"a":{"b":1}}', '{"a":"x"}', " [1 ,\n2] "),
    *('{"":1,"\u2028":2}', "[" * 100 + "1" + "]" * 100, "[" * 500 + "]" * 500),
    *('{"a":' * 300 + "1" + "}" * 300, "[" * 5_000 + "]" * 5_000),
)
CELLS = (
    *(*NUMBERS, *TEXTS, *SHAPES),
    *(f'{{"n":{number}}}' for number in NUMBERS),
    *(f'[[{number} ,"{number}"],"a: {number}"]' for number in NUMBERS),
)


def observations(project: Project, table: str, id_column: str) -> None:
    rows: list[dict[str, object]] = [
        {id_column: f"0{at:03}", "input": cell, "output": cell, "model_parameters": cell}
        | {"metadata": {"key": cell, cell: "x"}}
        for at, cell in enumerate(CELLS)
    ]
    if table == "events_full":
        rows = [
            {**row, "metadata_names": ["key", cell], "metadata_values": [cell, "x"]}
            for row, cell in zip(rows, CELLS, strict=True)
        ]
        for row in rows:
            del row["metadata"]
    project.add(table, *rows)


def traces(project: Project) -> None:
    project.add(
        "traces",
        *(
            {
                "id": f"0{at:03}",
                "session_id": "s",
                "input": cell,
                "metadata": {"k": cell, cell: "x"},
            }
            | {"tags": [cell], "user_id": cell}
            for at, cell in enumerate(CELLS)
        ),
    )
    values = (1, 0.5, -0.0, 1e20, 1e300, -5e-324)
    project.add(
        "scores",
        *(
            {"id": f"s{at}", "trace_id": f"0{at:03}", "name": "Input", "value": value}
            for at, value in enumerate(values)
        ),
        {"id": "t", "trace_id": "0000", "name": "a\u2028", "string_value": "\u2028\\ud800"}
        | {"data_type": "CATEGORICAL", "value": 0},
        *({"id": f"m{at}", "name": "n", "metadata": {"k": cell}} for at, cell in enumerate(CELLS)),
    )


def sessions(project: Project) -> None:
    traces(project)
    project.add("traces", *({"id": f"t{at}", "session_id": f"session-{at}"} for at in range(300)))
    usage = {"input": 2**64 - 1, "output": 2**64 - 1, "total": 2**64 - 1}
    project.add(
        "observations",
        *({"id": f"o{at}", "trace_id": "t1", "usage_details": usage} for at in range(3)),
        {"id": "long", "trace_id": "t250", "start_time": "2031-03-01T11:59:58.500Z"}
        | {"end_time": NOON, "cost_details": {"total": "0.5"}},
    )


def dataset_items(project: Project) -> None:
    times = {"created_at": NOON, "updated_at": NOON}
    named = {"id": "ds", "name": "set", "remote_experiment_enabled": True}
    project.add_to_postgres("datasets", {**named, **times})
    stored = [
        cell for cell in CELLS if not re.search(r"\\u(d8|dc|0000)|e-?9{9}|\[{5000}|e-?400", cell)
    ]
    with_text = [
        {"id": f"0{at:03}", "dataset_id": "ds", "valid_from": NOON, **times}
        for at in range(len(stored))
    ]
    project.add_to_postgres("dataset_items", *with_text)
    for row, cell in zip(with_text, stored, strict=True):
        set_json(project, str(row["id"]), cell)


def set_json(project: Project, item: str, cell: str) -> None:
    """As JSON text, because what inserts rows would parse it."""
    sql = "UPDATE dataset_items SET input = %(cell)s, expected_output = %(cell)s, "
    sql += "metadata = %(cell)s WHERE id = %(id)s AND project_id = %(project)s"
    with postgres_transaction(project.addresses) as connection, connection.cursor() as cursor:
        cursor.execute(sql, {"cell": cell, "id": item, "project": project.id})


def dataset_run_items(project: Project) -> None:
    times = {"created_at": NOON, "updated_at": NOON}
    project.add_to_postgres("datasets", {"id": "ds", "name": CELLS[-1][:200], **times})
    project.add(
        "dataset_run_items_rmt",
        *(
            {"id": f"0{at:03}", "dataset_id": "ds", "dataset_run_id": "r", "trace_id": cell}
            | {"dataset_item_id": f"{at} {cell}", "observation_id": cell, **times}
            for at, cell in enumerate(CELLS)
        ),
    )


def audit_logs(project: Project) -> None:
    common = {"created_at": NOON, "updated_at": NOON, "org_id": "org", "type": "USER"}
    common |= {"resource_type": "trace", "action": "create"}
    project.add_to_postgres(
        "audit_logs",
        *(
            {**common, "id": f"{project.id}-0{at:03}", "resource_id": cell}
            | {"before": cell, "after": cell}
            for at, cell in enumerate(CELLS)
        ),
    )


FILL: Mapping[str, Callable[[Project], None]] = {
    "traces": traces,
    "observations": lambda project: observations(project, "observations", "id"),
    "events": lambda project: observations(project, "events_full", "span_id"),
    "scores": traces,
    "sessions": sessions,
    "dataset_items": dataset_items,
    "dataset_run_items": dataset_run_items,
    "audit_logs": audit_logs,
}


def documented(file_format: str) -> list[tuple[str, str]]:
    """The calls of a section of the document, and which reader each is for."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## Reading {file_format}\n")[1]
    blocks = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    names = [next(n for n in ("pl()", "arrow", *READERS) if n in block) for block in blocks]
    known = {"pl()": "polars", "arrow": "pyarrow"}
    return [(known.get(n, n), block) for n, block in zip(names, blocks, strict=True)]


def count(rows: Any) -> int:
    return len(rows.fetchall()) if hasattr(rows, "fetchall") else len(rows)


@pytest.mark.parametrize("table", list(FILL))
def test_every_file_opens_whole_in_every_reader(
    project: Project, table: str, tmp_path: Path
) -> None:
    FILL[table](project)
    opened = []
    for file_format in ("JSONL", "JSON", "CSV", "PARQUET"):
        exported = project.export(table, file_format=file_format)
        path = tmp_path / f"file.{file_format.lower()}"
        path.write_bytes(exported.data)
        for reader, call in documented(file_format.replace("PARQUET", "Parquet")):
            found: dict[str, Any] = {"path": str(path)}
            exec(call, found)
            assert count(found["rows"]) == sum(exported.part_rows), (reader, file_format)
            opened.append((reader, file_format))
    assert {(reader, fmt) for reader in READERS for fmt in ("JSONL", "JSON")} <= set(opened)
    of_tables = ("pandas", "polars", "duckdb", "pyarrow")
    assert {(reader, fmt) for reader in of_tables for fmt in ("CSV", "PARQUET")} <= set(opened)


def test_a_row_of_jsonl_is_a_line_to_python(project: Project) -> None:
    traces(project)
    exported = project.export("traces")
    assert len(exported.data.decode().splitlines()) == len(CELLS)


def test_polars_reads_sessions_with_its_defaults(project: Project, tmp_path: Path) -> None:
    sessions(project)
    exported = project.export("sessions")
    path = tmp_path / "file.jsonl"
    path.write_bytes(exported.data)
    assert polars.read_ndjson(path).height == len(exported.rows) == 301
