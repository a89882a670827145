"""What a process imports that only loads the definitions: a code server, a run that begins."""

import subprocess
import sys

import pytest

HEAVY = {
    "boto3", "botocore", "clickhouse_connect", "jinja2", "numpy", "pandas", "polars", "psycopg2",
    "pyarrow", "rich", "s3transfer", "sqlalchemy", "urllib3", "xml",
}  # fmt: skip
"""Each is worth a tenth of a second or some megabytes, and serves an op or a tick."""

DAGSTER = "import dagster, dagster_aws.s3, dagster_postgres"
"""What Dagster's own libraries bring cannot be helped: boto3, as S3Resource is a subclass of
``dagster_aws``', and SQLAlchemy for its records."""


def heavy_modules(code: str) -> set[str]:
    """Which of them a fresh Python has imported after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return HEAVY & set(done.stdout.split())


def test_loading_the_definitions_imports_nothing_heavy_beyond_dagster_itself() -> None:
    dagster = heavy_modules(DAGSTER)

    assert heavy_modules(f"{DAGSTER}\nimport lf_export_pipeline.definitions") == dagster
    assert dagster.isdisjoint({"clickhouse_connect", "numpy", "pandas", "polars", "pyarrow"})


@pytest.mark.parametrize(
    "module",
    ["defs.ops.validate_export", "defs.ops.resolve_filters", "defs.ops.notify_requester"],
)
def test_ops_that_read_no_rows_need_neither_arrow_nor_a_client_library(module: str) -> None:
    assert not heavy_modules(f"import lf_export_pipeline.{module}")


@pytest.mark.parametrize("module", ["file.key_chunks", "core.formats", "core.formats.template"])
def test_rows_need_neither_pandas_nor_polars(module: str) -> None:
    assert heavy_modules(f"import lf_export_pipeline.{module}") == {"numpy", "pyarrow"}
