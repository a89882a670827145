"""Names of columns that the lake does without, and what they mean."""

import pytest

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.tables import column_names
from lf_export_pipeline.lake.columns_left_out import (
    excluded_columns,
    forbidden_columns,
    snake_case,
)
from lf_export_pipeline.lake.tables import LAKE_TABLES

COLUMNS = {column.name for table in LAKE_TABLES.values() for column in table.columns}
NOT_STORED = {
    *("htmlSourcePath", "latencyMs", "timeToFirstTokenMs", "inputCost", "outputCost"),
    *("inputUsage", "outputUsage", "totalUsage", "totalTokens", "traceTimestamp", "totalCount"),
    *("toolDefinitionsCount", "toolCallsCount", "inputPrice", "outputPrice", "totalPrice"),
    *("authorUserName", "userIds", "countTraces", "sessionDuration"),
}
"""Columns of exports that are computed or looked up, or parts of columns of other names."""


@pytest.mark.parametrize(
    ("name", "column"),
    [("input", "input"), ("user_id", "user_id"), ("userId", "user_id"), ("_version", "_version")],
)
def test_columns_have_the_names_of_the_lake_or_of_exports(name: str, column: str) -> None:
    assert excluded_columns([name]) == {column}


@pytest.mark.parametrize("name", ["inputs", "Input", "id", "project_id", "projectId", "in put"])
def test_a_name_that_would_leave_nothing_out_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"names {name}, which is no column of the lake"):
        excluded_columns(["output", name])


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("input", "dataset_item_input"),
        ("expectedOutput", "dataset_item_expected_output"),
        ("metadata", "dataset_run_metadata"),
        ("model", "provided_model_name"),
        ("traceTags", "tags"),
        ("stringValue", "long_string_value"),
        ("comments", "content"),
    ],
)
def test_what_is_forbidden_is_not_in_the_lake_under_another_name(name: str, also: str) -> None:
    assert also in forbidden_columns([name]) & COLUMNS


def test_each_column_of_exports_that_can_be_forbidden_means_one_of_the_lake() -> None:
    without = {name for name in column_names() if not forbidden_columns([name]) & COLUMNS}
    assert without == NOT_STORED
    assert all(snake_case(name) not in COLUMNS for name in NOT_STORED)
