from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from lf_export_localstack_tests.integration.clickhouse_server.server_process import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    home = tmp_path_factory.mktemp("clickhouse")
    running = ServerProcess.start(home / "data", home / "server.log")
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    connected = server.client()
    yield connected
    connected.close()


@pytest.fixture
def table(client: Client, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t_{abs(hash(request.node.nodeid))}"
    client.command(
        f"CREATE TABLE {name} (id UInt32, name String, tags Map(String, String), "
        "at Nullable(DateTime64(3, 'UTC')), cost Decimal(18, 6)) ENGINE = MergeTree ORDER BY id"
    )
    yield name
    client.command(f"DROP TABLE {name}")
