"""Exports by a user whose profile sets all that results depend on to other values."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_localstack.sample.rows import clickhouse_client, insert_clickhouse_batch
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.integration.deploy.file_of_job import file_of_job
from lf_export_pipeline_tests.integration.deploy.restricted import clickhouse_role, clickhouse_user

pytestmark = [pytest.mark.services, pytest.mark.long]

PROJECT = "project-with-an-odd-profile"
SIZE = SampleSize(traces=60, comments=10)
ODD = {  # but what this server, whose default profile it is, would read its own tables by
    "output_format_json_escape_forward_slashes": 1,
    "output_format_json_quote_64bit_integers": 1,
    "output_format_json_quote_64bit_floats": 1,
    "output_format_json_quote_decimals": 1,
    "output_format_json_named_tuples_as_objects": 0,
    "output_format_json_map_as_array_of_tuples": 1,
    "output_format_decimal_trailing_zeros": 1,
    "allow_simdjson": 0,
    "bool_true_representation": "yes",
    "bool_false_representation": "no",
    "date_time_output_format": "iso",
    "date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": 1,
    "date_time_overflow_behavior": "throw",
    "join_default_strictness": "ANY",
    "join_use_nulls": 1,
    "group_by_use_nulls": 1,
    "transform_null_in": 1,
    "cast_keep_nullable": 1,
    "aggregate_functions_null_for_empty": 1,
    "final": 1,
    "apply_deleted_mask": 0,
}
TABLES = [
    *((table, False) for table in ("traces", "observations", "scores", "sessions", "events")),
    ("observations", True),
    ("sessions", True),
]
Files = dict[tuple[str, bool], list[bytes]]


@pytest.fixture(scope="module")
def usual(own_stack: LocalStack) -> Files:
    """The files of a project with rows of every age, several versions, and rows that are gone."""
    generate_sample(own_stack.addresses(), PROJECT, SIZE, until=datetime.now(UTC))
    odd: list[dict[str, Any]] = [
        {"id": "early", "timestamp": "1925-01-01T00:00:00.000Z", "bookmarked": True},
        {"id": "late", "timestamp": "2105-01-01T00:00:00.000Z", "input": '{"a":1e400}'},
        {"id": "gone", "timestamp": "2026-01-01T00:00:00.000Z"},
    ]
    with clickhouse_client(own_stack.addresses()) as client:
        rows = [json.dumps({"project_id": PROJECT, "session_id": "odd", **row}) for row in odd]
        insert_clickhouse_batch(client, "traces", rows)
        client.command(f"DELETE FROM traces WHERE project_id = '{PROJECT}' AND id = 'gone'")
    environment = dict(own_stack.environment())
    return {
        (table, events): file_of_job(environment, PROJECT, table, events_table=events)
        for table, events in TABLES
    }


def test_the_files_are_the_same_whatever_the_profile_says(
    own_stack: LocalStack, usual: Files
) -> None:
    values = ",\n    ".join(f"{name} = {value}" for name, value in ODD.items())
    script = clickhouse_role().replace("readonly = 2", f"readonly = 2,\n    {values}")
    assert values in script
    with clickhouse_user(own_stack, script) as address:
        environment = own_stack.environment() | address
        for (table, events), lines in usual.items():
            assert len(lines) > 0
            found = file_of_job(environment, PROJECT, table, events_table=events)
            assert found == lines, table
