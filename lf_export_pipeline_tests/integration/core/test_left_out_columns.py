"""Files without some of their columns, of all tables in all formats; nothing of these gets out."""

import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from lf_export_pipeline.core.request.column_groups import ForbiddenColumns, forbidden_columns
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.tables import column_names, table_names, table_source
from lf_export_pipeline_tests.exporting import NOON, Exported, Project

pytestmark = pytest.mark.services

NEEDLE = "n33dle"
PAYLOAD = (
    "*:io,metadata,comments,statusMessage,modelParameters,tools,comment,stringValue,"
    "before,after,scores"
)
TABLES = [name for name in table_names() if name not in {"numbers", "trace_users"}]
FORMATS = list(ExportFormat)
TEXT = f'{{"{NEEDLE}": ["{NEEDLE}"]}}'
SPAN = {
    "input": TEXT,
    "output": NEEDLE,
    "status_message": NEEDLE,
    "model_parameters": TEXT,
    "tool_definitions": {"name": NEEDLE},
    "tool_calls": [NEEDLE],
    "tool_call_names": [NEEDLE],
    "usage_details": {"total": 5},
    "trace_id": "t",
}


def fill(project: Project) -> None:
    """Rows in all tables; what they say beside ids is forbidden."""
    times = {"created_at": NOON, "updated_at": NOON}
    trace = {"input": TEXT, "output": NEEDLE, "metadata": {NEEDLE: NEEDLE}, "session_id": "s"}
    project.add("traces", {"id": "t", **trace}, {"id": "u", "session_id": "s"})
    project.add("observations", {"id": "o", "metadata": {NEEDLE: TEXT}, **SPAN})
    names = {"metadata_names": [NEEDLE], "metadata_values": [NEEDLE], "session_id": "s"}
    project.add("events_full", {"span_id": "o", "trace_name": "chat", **names, **SPAN})
    score = {"trace_id": "t", "comment": NEEDLE, "metadata": {NEEDLE: TEXT}}
    text = {"data_type": "CATEGORICAL", "string_value": NEEDLE}
    project.add("scores", *({"id": f"s-{name}", "name": name, **score, **text} for name in NAMES))
    project.add(
        "dataset_run_items_rmt",
        {"id": "r", "dataset_item_id": "i", "dataset_id": "ds", "dataset_run_id": "run"},
    )
    project.add_to_postgres(
        "comments",
        *(
            {"id": f"{project.id}-{at}", "content": NEEDLE, "object_id": name, "object_type": kind}
            for at, (kind, name) in enumerate(COMMENTED)
        ),
    )
    item = {"id": "i", "dataset_id": "ds", "valid_from": NOON, **times}
    values = {"input": {NEEDLE: [NEEDLE]}, "expected_output": NEEDLE, "metadata": [NEEDLE]}
    dataset = {"id": "ds", "name": "set", "remote_experiment_enabled": True, **times}
    project.add_to_postgres("datasets", dataset)
    project.add_to_postgres("dataset_items", {**item, **values})
    log = {"id": f"{project.id}-a", "org_id": "org", "type": "USER", "action": "update", **times}
    log |= {"resource_type": "trace", "resource_id": "t", "before": TEXT, "after": NEEDLE}
    project.add_to_postgres("audit_logs", log)


NAMES = ("input", "comments", "quality")
COMMENTED = (("TRACE", "t"), ("OBSERVATION", "o"), ("SESSION", "s"))


@pytest.fixture(scope="module")
def filled(new_project: Any) -> Project:
    project: Project = new_project()
    fill(project)
    return project


def texts_of(found: Exported, file_format: ExportFormat) -> str:
    """All that a file says, its schema and its preview too."""
    if file_format.is_text:
        return found.data.decode() + found.preview
    table = pq.read_table(io.BytesIO(found.data))
    assert NEEDLE.encode() not in found.data  # statistics and footer
    return f"{table.to_pylist()} {table.schema} {found.preview}"


def columns_of(found: Exported, file_format: ExportFormat) -> list[tuple[str, list[Any]]]:
    """The columns with their cells, in the order of the file."""
    if file_format is ExportFormat.PARQUET:
        table = pq.read_table(io.BytesIO(found.data))
        return list(table.to_pydict().items())
    if file_format is ExportFormat.CSV:
        header, *lines = csv.reader(io.StringIO(found.data.decode(), newline=""), strict=True)
        return [(name, [line[at] for line in lines]) for at, name in enumerate(header)]
    text = found.data.decode()
    rows = json.loads(text) if text.startswith("[") else [json.loads(x) for x in text.splitlines()]
    return [(name, [row[name] for row in rows]) for name in rows[0]]


def forbidden_names() -> frozenset[str]:
    barred: ForbiddenColumns = forbidden_columns(PAYLOAD, column_names())
    return barred.of("any")


@pytest.mark.sampled
@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("table", TABLES)
def test_what_is_forbidden_is_in_no_file(
    filled: Project, table: str, file_format: ExportFormat, events: bool
) -> None:
    wanted: dict[str, Any] = {"file_format": file_format.value, "useEventsTable": events}
    asked = [name for name in ("input", "metadata", "before") if name in names_of(table)]
    options: dict[str, Any] = {"lfExport": {"columns": ["id", *asked]}} if asked else {}
    whole = filled.export(table, **wanted)
    kept = filled.export(table, forbidden=PAYLOAD, **wanted)
    chosen = filled.export(table, forbidden=PAYLOAD, **wanted, **options)
    if table != "dataset_run_items" and file_format.is_text:
        assert NEEDLE in texts_of(whole, file_format)
    for found in (kept, chosen):
        assert found.part_rows == whole.part_rows != ()
        assert NEEDLE not in texts_of(found, file_format)
    barred = {*forbidden_names(), *whole.query.score_columns}
    rest = [column for column in columns_of(whole, file_format) if column[0] not in barred]
    assert columns_of(kept, file_format) == rest


@pytest.mark.long
@pytest.mark.parametrize("rows_by", ["clickhouse", "arrow"])
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("table", TABLES)
def test_each_column_can_stand_alone_and_says_what_it_always_says(
    filled: Project, table: str, file_format: ExportFormat, rows_by: str
) -> None:
    settings = filled.settings.model_copy(update={"lf_export_rows": rows_by})
    here = Project(filled.addresses, filled.client, filled.reader, settings, filled.id)
    whole = dict(columns_of(here.export(table, file_format=file_format.value), file_format))
    names = names_of(table)
    for name in (names[0], names[len(names) // 2], names[-1]):
        options = {"columns": [name]}
        found = here.export(table, file_format=file_format.value, lfExport=options)
        assert columns_of(found, file_format) == [(name, whole[name])]
        assert NEEDLE not in found.preview or NEEDLE in str(whole[name])


def test_score_columns_stay_as_they_are_named_where_the_column_is_gone(filled: Project) -> None:
    options = {"columns": ["id", "scores"]}
    found = filled.export("traces", lfExport=options)
    (row,) = (row for row in found.rows if row["id"] == "t")
    assert list(row) == ["id", "scores.comments", "scores.input", "quality"]
    assert row["scores.input"] == [NEEDLE]


def test_the_users_order_stays_where_its_column_is_left_out(project: Project) -> None:
    values = {"a": 3, "b": 1, "c": 2}
    project.add("scores", *({"id": i, "name": "n", "value": v} for i, v in values.items()))
    order = {"column": "value", "order": "ASC"}
    options = {"columns": ["id"]}
    assert project.export("scores", orderBy=order, lfExport=options).ids == ["b", "c", "a"]
    found = project.export("scores", orderBy=order, forbidden="*:value")
    assert found.ids == ["a", "b", "c"]


def names_of(table: str) -> list[str]:
    return [column.name for column in table_source(table).columns]
