import os
import subprocess
import sys
from pathlib import Path

import pytest

from lf_export_localstack_tests.integration.clickhouse_server.server_process import (
    ServerProcess,
    wait_for,
)

pytestmark = [pytest.mark.services, pytest.mark.long]


def test_a_restart_finds_the_data_again(tmp_path: Path) -> None:
    server = ServerProcess.start(tmp_path / "data", tmp_path / "log")
    client = server.client()
    client.command("CREATE TABLE kept (id UInt32) ENGINE = MergeTree ORDER BY id")
    client.insert("kept", [[1], [2]], column_names=["id"])
    with server.stream(client, "SELECT number FROM system.numbers", "Native"):
        assert server.stop() == 0
    again = ServerProcess.start(tmp_path / "data", tmp_path / "log-2")
    assert again.client().query("SELECT sum(id) FROM kept").result_rows == [(3,)]
    assert again.stop() == 0


def test_each_query_is_one_line_of_the_log(server: ServerProcess) -> None:
    def lines() -> list[str]:
        return [line for line in server.log.read_text().splitlines() if "a_logged_query" in line]

    client = server.client()
    client.query("SELECT 1 AS a_logged_query")
    client.query("SELECT 2")
    wait_for(lambda: "SELECT 2" in server.log.read_text())
    assert len(lines()) == 1
    assert " ok: " in lines()[0]


def test_a_missing_password_variable_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lf_export_localstack.clickhouse_server", "--port", "0"]
    command += ["--data-dir", str(tmp_path), "--password-env", "NO_SUCH_VARIABLE"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 2
    assert "NO_SUCH_VARIABLE" in done.stderr
