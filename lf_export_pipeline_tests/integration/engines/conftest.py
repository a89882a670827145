import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sql.schema import create_clickhouse_tables
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

ENGINES = {"24.8": "3.1.2", "25.5": "3.6.0"}
"""Versions of ``chdb`` by those of their engines."""

DATABASE = "langfuse"


@pytest.fixture(scope="session", params=ENGINES)
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


@pytest.fixture(scope="session")
def on_engine(
    stack: LocalStack, engine: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IsolatedStack]:
    """A stack whose ClickHouse is the old engine, with Langfuse's tables and no rows."""
    isolated = StackOnEngine(stack, tmp_path_factory.mktemp("on-engine"), engine)
    default = replace(isolated.addresses(), clickhouse_database="default")
    with clickhouse_client(default) as client:
        client.command(f"CREATE DATABASE {DATABASE}")
    with clickhouse_client(isolated.addresses()) as client:
        create_clickhouse_tables(client)
    yield isolated
    isolated.destroy()


class StackOnEngine(IsolatedStack):
    """An isolated stack whose users find another ClickHouse."""

    def __init__(self, shared: LocalStack, folder: Path, port: int) -> None:
        super().__init__(shared, folder)
        self._port = port

    def addresses(self) -> StackAddresses:
        """Where the servers are, and the engine."""
        own = super().addresses()
        return replace(own, clickhouse_port=self._port, clickhouse_database=DATABASE)
