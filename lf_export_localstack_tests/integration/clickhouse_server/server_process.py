"""The server under test in a process of its own, and clients for it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import psutil
from clickhouse_connect.driver.client import Client
from urllib3 import BaseHTTPResponse

USER = "exporter"
PASSWORD = "pass'word ü"
_LISTENS = re.compile(r"listens on 127\.0\.0\.1:(\d+)")
STOP_SECONDS = 30


@dataclass
class ServerProcess:
    """A running server and the port it chose."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @classmethod
    def start(cls, data_dir: Path, log: Path, *options: str) -> "ServerProcess":
        command = [sys.executable, "-m", "lf_export_localstack.clickhouse_server"]
        command += ["--data-dir", str(data_dir), "--port", "0", "--log-level", "debug"]
        command += ["--user", USER, "--password-env", "TEST_PASSWORD", *options]
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                command, env={**os.environ, "TEST_PASSWORD": PASSWORD}, stderr=stderr
            )
        return cls(process, _port(process, log), log)

    def client(self, **options: Any) -> Client:
        account = {"username": USER, "password": PASSWORD, "database": "default"}
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, **{**account, **options}
        )

    @contextmanager
    def stream(
        self, client: Client, sql: str, fmt: str, **options: Any
    ) -> Iterator[BaseHTTPResponse]:
        """The response of `client.raw_stream`, closed with its connection."""
        response = client.raw_stream(sql, fmt=fmt, **options)
        assert isinstance(response, BaseHTTPResponse)
        try:
            yield response
        finally:
            response.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def config_file(folder: Path, profile: str, grants: str = "") -> Path:
    """The engine's configuration for its one user: a settings profile and grants, as XML."""
    users, config = folder / "restricted-users.xml", folder / "restricted.xml"
    users.write_text(
        f"<clickhouse><profiles><default>{profile}</default></profiles>"
        "<quotas><default/></quotas><users><default><password></password>"
        "<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
        f"{grants}</default></users></clickhouse>"
    )
    config.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    return config


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    while process.poll() is None:
        if found := _LISTENS.search(log.read_text()):
            return int(found.group(1))
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns when a condition has become true; fails when it does not within 30 seconds."""
    deadline = time.monotonic() + STOP_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
