"""Fixtures that every test may use: the embedded stack and the recorded seed."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_localstack.processes import tcp_ports
from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sample.seed import load_seed
from lf_export_localstack.stack.local_stack import LocalStack

REPOSITORY = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Gives workers that start servers side by side ports of their own to choose from."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        width = (tcp_ports.LAST_PORT - tcp_ports.FIRST_PORT) // int(
            os.environ["PYTEST_XDIST_WORKER_COUNT"]
        )
        tcp_ports.FIRST_PORT += width * int(worker.removeprefix("gw"))
        tcp_ports.LAST_PORT = tcp_ports.FIRST_PORT + width


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The embedded stack with empty tables, started once for all tests.

    LF_EXPORT_TEST_STACK names the state directory of a stack to use instead: it is started if
    necessary and left running, which saves the start while developing.
    """
    if reused := os.environ.get("LF_EXPORT_TEST_STACK"):
        running = LocalStack(Path(reused))
        running.up()
        yield running
        return
    fresh = LocalStack(Path(tempfile.mkdtemp(prefix="lf-export-tests-")))
    with fresh.temporary():
        yield fresh


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Servers that nobody else uses, for tests that stop them or look at all that they hold."""
    with LocalStack(tmp_path_factory.mktemp("stack")).temporary() as own:
        yield own


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The recorded exports of Langfuse's worker; LF_EXPORT_GOLDENS says if they lie elsewhere."""
    default = REPOSITORY.parent / "shared" / "goldens"
    directory = Path(os.environ.get("LF_EXPORT_GOLDENS", default))
    if not directory.is_dir():
        pytest.skip(f"no recorded exports in {directory}; LF_EXPORT_GOLDENS can name them")
    return directory


@pytest.fixture(scope="session")
def golden_seed_dir(golden_dir: Path) -> Path:
    """The rows that the recorded exports were made from."""
    return golden_dir / "seed"


@pytest.fixture(scope="session")
def seeded_stack(stack: LocalStack, golden_seed_dir: Path) -> LocalStack:
    """The embedded stack with the recorded rows in it, version by version."""
    with clickhouse_client(stack.addresses()) as client:
        query = "SELECT count() FROM traces WHERE project_id = 'proj-main'"
        is_reused = bool(client.query(query).result_rows[0][0])
    if not is_reused:
        load_seed(stack.addresses(), golden_seed_dir)
    return stack
