"""One file of many chunks, as pandas, polars, DuckDB and the ClickHouse engine see it."""

import io
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from lf_export_pipeline import read_export
from lf_export_pipeline_tests.exporting import Exported, Project

pytestmark = pytest.mark.services

ROWS = 230
AT = "2031-03-01T12:00:00.123Z"


def fill(project: Project) -> None:
    project.add(
        "observations",
        *(
            {
                "id": f"o{at:03}",
                "trace_id": "t",
                "start_time": AT,
                "input": '{"question": "\\u4e2d"}',
                "metadata": {"k": "v", "n": "1"},
                "usage_details": {"total": 2**64 - 1, "input": at},
                "cost_details": {"total": "0.123456789012"},
            }
            for at in range(ROWS)
        ),
    )
    scored: list[dict[str, Any]] = [
        {"name": "quality", "data_type": "NUMERIC", "value": 1},
        {"name": "passed", "data_type": "BOOLEAN", "value": 1},
        {"name": "label", "data_type": "CATEGORICAL", "value": 0, "string_value": "good"},
        {"name": "mixed", "data_type": "NUMERIC", "value": 1},
        {"name": "mixed", "data_type": "CATEGORICAL", "value": 0, "string_value": "fine"}
        | {"observation_id": "o001"},
    ]
    project.add(
        "scores",
        *(
            {"id": f"s{at}", "trace_id": "t", "observation_id": "o000", **score}
            for at, score in enumerate(scored)
        ),
    )


@pytest.fixture
def exported(project: Project) -> Exported:
    fill(project)
    return project.export("observations", file_format="PARQUET", chunk_rows=50)


@pytest.fixture
def path(exported: Exported, tmp_path: Path) -> Path:
    file = tmp_path / "observations.parquet"
    file.write_bytes(exported.data)
    return file


def test_the_row_groups_of_all_chunks_add_up(exported: Exported) -> None:
    known = pq.read_metadata(io.BytesIO(exported.data))
    groups = [known.row_group(at).num_rows for at in range(known.num_row_groups)]
    assert groups == list(exported.chunk_rows)
    assert len(groups) > 3
    assert known.num_rows == sum(groups) == ROWS


def test_four_readers_see_the_rows_in_order(path: Path) -> None:
    ids = [f"o{at:03}" for at in range(ROWS)]
    assert pd.read_parquet(path)["id"].tolist() == ids
    assert pl.read_parquet(path)["id"].to_list() == ids
    assert [row[0] for row in in_duckdb(f"SELECT id FROM '{path}'")] == ids
    assert in_clickhouse(f"SELECT id FROM file('{path}')").split() == ids
    assert read_export(path)["id"].tolist() == ids


def test_four_readers_see_the_values_with_their_types(path: Path) -> None:
    frame = pd.read_parquet(path)
    assert str(frame["startTime"].dtype) == "datetime64[us, UTC]"
    assert frame["totalCost"][0] == Decimal("0.123456789012")
    rows = pl.read_parquet(path)
    assert rows.schema["startTime"] == pl.Datetime("us", "UTC")
    assert rows.schema["totalCost"] == pl.Decimal(18, 12)
    assert rows["startTime"][0] == datetime(2031, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    names = "startTime, totalCost, totalUsage, quality, passed, label, mixed"
    types = dict.fromkeys(names.split(", "))
    for column, type_, *_ in in_duckdb(f"DESCRIBE SELECT {names} FROM '{path}'"):
        types[column] = type_
    assert types == {
        "startTime": "TIMESTAMP WITH TIME ZONE",
        "totalCost": "DECIMAL(18,12)",
        "totalUsage": "UBIGINT",
        "quality": "DOUBLE[]",
        "passed": "BOOLEAN[]",
        "label": "VARCHAR[]",
        "mixed": "VARCHAR[]",
    }
    values = (
        "quality[1], passed[1], label[1], mixed[1], metadata['k'], input, usageDetails['total']"
    )
    ((*first,),) = in_duckdb(f"SELECT {values} FROM '{path}' LIMIT 1")
    assert first == [1.0, True, "good", "1", "v", '{"question": "中"}', 2**64 - 1]
    found = in_clickhouse(
        f"SELECT toTypeName(startTime), toTypeName(totalCost), {values} FROM file('{path}') LIMIT 1"
    )
    assert found.rstrip("\n").split("\t") == [
        "Nullable(DateTime64(6, \\'UTC\\'))",
        "Nullable(Decimal(18, 12))",
        *("1", "true", "good", "1", "v", '{"question": "中"}', str(2**64 - 1)),
    ]


def in_duckdb(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    return rows


def in_clickhouse(sql: str) -> str:
    """What the embedded engine says, in a process of its own."""
    code = f"import chdb; print(chdb.query({sql!r}, 'TSV'), end='')"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout
