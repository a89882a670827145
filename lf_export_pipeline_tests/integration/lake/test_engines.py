"""The objects are read by engines, with the types that the schema beside them tells."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from lf_export_pipeline_tests.integration.lake.conftest import NewWorld
from lf_export_pipeline_tests.integration.lake.lake_world import DAYS, LakeWorld, moment

pytestmark = pytest.mark.services

DAY = DAYS[0]
ROW = {
    "id": "a",
    "type": "GENERATION",
    "end_time": moment(DAY, "12:00:01.500"),
    "usage_details": {"input": 7, "huge": (1 << 63) + 5},
    "cost_details": {"input": "0.000000000123"},
    "total_cost": "1.25",
    "prompt_version": 3,
    "metadata": {"größe": "42"},
    "tool_call_names": ["one", "two"],
    "output": None,
}
EXPECTED: dict[str, Any] = {
    "start_time": datetime(2025, 3, 1, 12, tzinfo=UTC),
    "latency": 1.5,
    "total_cost": Decimal("1.25"),
    "prompt_version": 3,
    "tool_call_names": ["one", "two"],
    "output": None,
}
TYPES_OF_DUCKDB = {
    "string": "VARCHAR",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    "bool": "BOOLEAN",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "decimal128(18, 12)": "DECIMAL(18,12)",
    "list<element: string>": "VARCHAR[]",
    "list<item: string>": "VARCHAR[]",
    "map<string, string>": "MAP(VARCHAR, VARCHAR)",
    "map<string, int64>": "MAP(VARCHAR, BIGINT)",
    "map<string, decimal128(18, 12)>": "MAP(VARCHAR, DECIMAL(18,12))",
}


@pytest.fixture
def glob(world: LakeWorld) -> str:
    """The path of the observations' objects, as engines take it."""
    world.add("observations", ROW)
    world.heal("observations")
    manifest = world.manifest("observations", DAY)
    assert manifest is not None
    assert manifest.unfit == {"usage_details": 1}
    return f"{world.settings.lake_path}/v1/observations/*/*/data.parquet"


def test_duckdb_sees_the_types_of_the_schema(world: LakeWorld, glob: str) -> None:
    read = f"read_parquet('{glob}', hive_partitioning = true)"
    described = f"SELECT column_name, column_type FROM (DESCRIBE FROM {read})"
    found = dict(duckdb.execute(described).fetchall())
    (schema,) = [d for path, d in world.files().items() if path.startswith("v1/_schemas/")]
    columns = {each["name"]: each["type"] for each in json.loads(schema)["columns"]}
    assert {name: found[name] for name in columns} == {
        name: TYPES_OF_DUCKDB[kind] for name, kind in columns.items()
    }
    assert set(found) - set(columns) == {"project", "day"}
    query = (
        "SELECT usage_details['input'], usage_details['huge'], cost_details['input'], "
        f"metadata['größe'], project_id FROM {read} WHERE day = '{DAY}'"
    )
    assert duckdb.execute(query).fetchall() == [
        (7, None, Decimal("0.000000000123"), "42", world.project)
    ]


def test_polars_reads_the_values(glob: str) -> None:
    (row,) = pl.read_parquet(glob, hive_partitioning=False).to_dicts()
    assert {name: row[name] for name in EXPECTED} == EXPECTED


def test_pandas_reads_the_values(world: LakeWorld, glob: str) -> None:
    (path,) = Path(str(world.settings.lake_path)).glob("v1/observations/*/*/data.parquet")
    frame = pd.read_parquet(path, partitioning=None)
    row = frame.iloc[0]
    assert row["start_time"] == EXPECTED["start_time"]
    assert list(row["tool_call_names"]) == EXPECTED["tool_call_names"]
    assert dict(row["metadata"]) == {"größe": "42"}


def test_clickhouse_reads_the_values(world: LakeWorld, glob: str) -> None:
    (data,) = [d for path, d in world.files().items() if path.endswith("data.parquet")]
    world.client.command(
        "CREATE TABLE IF NOT EXISTS lake_read_back AS observations ENGINE = Memory"
    )
    columns = ("id", "start_time", "total_cost", "cost_details", "tool_call_names", "metadata")
    world.client.raw_insert(
        "lake_read_back",
        columns,
        insert_block=data,
        fmt="Parquet",
        settings={"input_format_skip_unknown_fields": 1},
    )
    query = f"SELECT {', '.join(columns)} FROM lake_read_back"
    assert world.client.query(query).result_rows == [
        (
            "a",
            datetime.fromisoformat("2025-03-01T12:00:00"),
            Decimal("1.25"),
            {"input": Decimal("0.000000000123")},
            ["one", "two"],
            {"größe": "42"},
        )
    ]


def test_maps_can_be_json_for_engines_that_have_none(new_world: NewWorld) -> None:
    world = new_world(maps="json", compression="snappy")
    world.add("observations", ROW)
    world.heal("observations")
    (row,) = world.rows("observations", DAY)
    assert json.loads(row["metadata"]) == {"größe": "42"}
    assert json.loads(row["usage_details"])["input"] == 7
