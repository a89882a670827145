"""The ClickHouse engine behind this project's own HTTP server."""

import sys
from http.client import HTTPConnection
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

import lf_export_localstack
from lf_export_localstack.processes.process import Launch
from lf_export_localstack.processes.tcp_ports import HOST
from lf_export_localstack.services.service import Service, server_environment
from lf_export_localstack.sql.schema import create_clickhouse_tables

DATABASE = "default"
ANSWER_TIMEOUT_SECONDS = 5
PASSWORD_VARIABLE = "LF_EXPORT_CLICKHOUSE_SERVER_PASSWORD"  # noqa: S105 - a name


class ClickHouse(Service):
    """`python -m lf_export_localstack.clickhouse_server` with the tables that exports read."""

    name = "clickhouse"
    port_names = ("clickhouse",)

    def launch(self) -> Launch:
        """The password goes through the environment: arguments are visible to everybody."""
        credentials = self.state.credentials
        return Launch(
            argv=python_module(
                "lf_export_localstack.clickhouse_server",
                *("--data-dir", str(self.home)),
                *("--port", str(self.port)),
                *("--user", credentials.clickhouse_user),
                *("--password-env", PASSWORD_VARIABLE),
            ),
            environment=python_environment(**{PASSWORD_VARIABLE: credentials.clickhouse_password}),
            directory=self.home,
            log=self.log,
            stop_seconds=15,
        )

    def probe(self) -> None:
        """Greets the server, then runs a query as the configured user."""
        # The client logs an error when nobody listens; during a start that is no news.
        greeting = HTTPConnection(HOST, self.port, timeout=ANSWER_TIMEOUT_SECONDS)
        greeting.request("GET", "/ping")
        greeting.getresponse()
        greeting.close()
        with self._connect() as client:
            client.command("SELECT 1")

    def provision(self) -> None:
        """Langfuse's tables."""
        with self._connect() as client:
            create_clickhouse_tables(client)

    def _connect(self) -> Client:
        return clickhouse_connect.get_client(
            host=HOST,
            port=self.port,
            username=self.state.credentials.clickhouse_user,
            password=self.state.credentials.clickhouse_password,
            database=DATABASE,
            autogenerate_session_id=False,
        )


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this interpreter, its output unbuffered."""
    return (sys.executable, "-u", "-m", module, *arguments)


def python_environment(**additions: str) -> dict[str, str]:
    """A server's environment in which this package can be imported, installed or not."""
    root = Path(lf_export_localstack.__file__).parents[1]
    return {**server_environment(**additions), "PYTHONPATH": str(root)}
