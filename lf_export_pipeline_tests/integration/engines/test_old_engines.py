"""The recorded exports on old engines of ClickHouse, whose wheels of ``chdb`` can still be had."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sample.seed import load_seed
from lf_export_localstack.sql.schema import create_clickhouse_tables
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.golden.cases import read_cases
from lf_export_pipeline_tests.golden.direct import DirectRunner, concerns_the_job_alone
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

pytestmark = [pytest.mark.services, pytest.mark.golden, pytest.mark.long]

ENGINES = {"24.8": "3.1.2", "25.5": "3.6.0"}
"""Versions of ``chdb`` by those of their engines."""

DATABASE = "recorded"


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of an engine, in a virtual environment of its own."""
    folder = tmp_path_factory.mktemp("engine")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    wheel = f"chdb=={ENGINES[request.param]}"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    command = [python, Path(__file__).with_name("old_engine.py"), folder / "data"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()


@pytest.fixture(scope="module")
def recorded(
    stack: LocalStack, engine: int, golden_seed_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DirectRunner]:
    """What runs cases on the recorded rows, of which the old engine holds ClickHouse's."""
    isolated = IsolatedStack(stack, tmp_path_factory.mktemp("golden"))
    default = replace(isolated.addresses(), clickhouse_port=engine, clickhouse_database="default")
    addresses = replace(default, clickhouse_database=DATABASE)
    with clickhouse_client(default) as client:
        client.command(f"CREATE DATABASE {DATABASE}")
    with clickhouse_client(addresses) as client:
        create_clickhouse_tables(client)
    load_seed(addresses, golden_seed_dir)
    with DirectRunner(addresses) as ready:
        yield ready
    isolated.destroy()


def test_files_equal_the_recorded_ones(
    recorded: DirectRunner, judge: ModuleType, golden_dir: Path
) -> None:
    differences = {}
    cases = [case for case in read_cases(golden_dir / "cases") if not concerns_the_job_alone(case)]
    for case in cases:
        outcome = recorded.run(case)
        folder = golden_dir / "cases" / case.name
        found = judge.differences(folder, outcome.data, outcome.status, outcome.log)
        if found:
            differences[case.name] = found
    assert len(cases) > 0
    assert differences == {}
