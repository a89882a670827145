"""``lf-export dev`` around its servers; with all of them: ``test_real_endings``."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.processes.tcp_ports import HOST
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.main import main

pytestmark = pytest.mark.services


class _AnotherDagster(BaseHTTPRequestHandler):
    """Answers what ``dev`` asks its own UI."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing, to keep the output of tests clean."""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with ThreadingHTTPServer((HOST, 0), _AnotherDagster) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def call_dev(state_dir: Path, port: int) -> Result:
    return CliRunner().invoke(main, ["dev", "--state-dir", str(state_dir), "--port", str(port)])


def test_port_that_is_taken_is_named_before_anything_is_started(
    state_dir: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalStack, "up", lambda _: pytest.fail("servers were started"))

    refused = call_dev(state_dir, taken_port)

    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: Port {taken_port} is in use; `--port N` names another one.\n"
    )


@pytest.mark.parametrize("port", [0, 65_536, -1])
def test_port_that_there_cannot_be_is_a_wrong_argument(state_dir: Path, port: int) -> None:
    refused = call_dev(state_dir, port)

    assert refused.exit_code == 2
    assert "1<=x<=65535" in refused.stderr
    assert not state_dir.exists()
