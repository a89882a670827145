"""What a spreadsheet would take for a formula, in every text of every table that users can fill."""

import csv
import io
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from lf_export_localstack.sample.rows import (
    clickhouse_client,
    insert_clickhouse_batch,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline_tests.integration.job.real_exports import RealExports

pytestmark = [pytest.mark.services, pytest.mark.sampled]

GUARDED = {"LF_EXPORT_CSV_GUARD_FORMULAS": "true"}
BEGINNINGS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
NOON = "2026-03-01T12:00:00.000Z"
NUMBER = re.compile(r"-?\d+(\.\d+)?")
CLICKHOUSE: Mapping[str, Mapping[str, Any]] = {
    "traces": {"timestamp": NOON},
    "observations": {"start_time": NOON, "type": "SPAN", "level": "DEFAULT"},
    "events_full": {"start_time": NOON, "type": "SPAN", "level": "DEFAULT", "parent_span_id": ""},
    "scores": {"timestamp": NOON, "data_type": "CATEGORICAL", "source": "API", "value": -1},
    "dataset_run_items_rmt": {},
}
TIMES = {"created_at": NOON, "updated_at": NOON}


@pytest.fixture(scope="module")
def project(exports: RealExports) -> str:
    """A project with a row for each beginning in each table: all its texts begin like that."""
    name = f"formulas-{uuid.uuid4().hex}"
    with clickhouse_client(exports.addresses) as client:
        for table, fixed in CLICKHOUSE.items():
            sql = "SELECT name FROM system.columns WHERE table = {table:String} "
            sql += "AND type IN ('String', 'Nullable(String)') AND default_kind = ''"
            texts = [found for (found,) in client.query(sql, {"table": table}).result_rows]
            rows = [
                {text: f"{beginning}{text}" for text in texts}
                # What belongs together is found by these.
                | {"trace_id": f"{beginning}id", "session_id": f"{beginning}session"}
                | {"event_ts": NOON, **TIMES, **fixed, "project_id": name}
                for beginning in BEGINNINGS
            ]
            insert_clickhouse_batch(client, table, [json.dumps(row) for row in rows])
    fill_postgres(exports.addresses, name)
    return name


def fill_postgres(addresses: StackAddresses, project: str) -> None:
    logs = ("user_id", "resource_type", "resource_id", "action", "before", "after", "api_key_id")
    items = ("source_trace_id", "source_observation_id", "input", "expected_output", "metadata")
    made = {
        "audit_logs": [
            {"id": f"{one}{project}", "org_id": f"{one}org"}
            | {text: f"{one}{text}" for text in logs}
            for one in BEGINNINGS
        ],
        "datasets": [{"id": f"{one}dataset_id", "name": f"{one}set"} for one in BEGINNINGS],
        "dataset_items": [
            {"id": f"{one}item", "dataset_id": f"{one}dataset_id", "valid_from": NOON}
            | {text: f"{one}{text}" for text in items}
            for one in BEGINNINGS
        ],
    }
    with postgres_transaction(addresses) as connection:
        for table, rows in made.items():
            full = [json.dumps({**row, **TIMES, "project_id": project}) for row in rows]
            insert_postgres_rows(connection, table, full)


def lines_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def formulas(data: bytes) -> list[str]:
    """The fields that a spreadsheet would not take as they are."""
    cells = (cell for line in lines_of(data) for cell in line)
    return [
        cell for cell in cells if cell.startswith(tuple(BEGINNINGS)) and not NUMBER.fullmatch(cell)
    ]


@pytest.mark.parametrize("table", sorted(set(table_names()) - {"numbers"}))
def test_no_field_of_a_guarded_file_begins_like_a_formula(
    exports: RealExports, project: str, table: str
) -> None:
    plain = exports.run(project, table, file_format="CSV").data
    guarded = exports.run(project, table, file_format="CSV", **GUARDED).data

    assert {cell[0] for cell in formulas(plain)} == set(BEGINNINGS)
    assert formulas(guarded) == []
    found = [
        cell.removeprefix("'") if cell[1:].startswith(tuple(BEGINNINGS)) else cell
        for line in lines_of(guarded)
        for cell in line
    ]
    assert found == [cell for line in lines_of(plain) for cell in line]


def test_headers_of_scores_are_guarded_like_cells(exports: RealExports, project: str) -> None:
    plain = lines_of(exports.run(project, file_format="CSV").data)[0]
    guarded = lines_of(exports.run(project, file_format="CSV", **GUARDED).data)[0]

    scores = sorted(f"{beginning}name" for beginning in BEGINNINGS)
    assert sorted(plain[-len(BEGINNINGS) :]) == scores
    assert guarded == plain[: -len(BEGINNINGS)] + [f"'{name}" for name in plain[-len(BEGINNINGS) :]]


@pytest.mark.parametrize("file_format", ["CSV", "JSON", "JSONL"])
def test_nothing_is_guarded_unless_it_is_asked_for(
    exports: RealExports, project: str, file_format: str
) -> None:
    off = {"LF_EXPORT_CSV_GUARD_FORMULAS": "false"}
    by_default = exports.run(project, file_format=file_format).data
    assert exports.run(project, file_format=file_format, **off).data == by_default
    for beginning in BEGINNINGS:
        name = f"{beginning}name"
        assert (
            name if file_format == "CSV" else json.dumps(name, ensure_ascii=False)
        ).encode() in by_default


@pytest.mark.parametrize("file_format", ["JSON", "JSONL"])
def test_json_is_never_guarded(exports: RealExports, project: str, file_format: str) -> None:
    plain = exports.run(project, file_format=file_format).data
    assert exports.run(project, file_format=file_format, **GUARDED).data == plain
