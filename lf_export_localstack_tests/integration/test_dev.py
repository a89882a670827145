"""``lf-export dev`` around its servers; with all of them: ``test_real_endings``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.processes.tcp_ports import HOST, choose
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


@pytest.fixture
def stopping_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No servers, and a Dagster that says when it has ended."""

    @contextmanager
    def running(*_: object) -> Iterator[None]:
        try:
            yield
        finally:
            click.echo("Dagster has ended")

    monkeypatch.setattr(LocalStack, "up", lambda _: None)
    monkeypatch.setattr(LocalStack, "addresses", lambda _: None)
    monkeypatch.setattr(LocalStack, "environment", lambda _: {})
    monkeypatch.setattr(LocalStack, "running", running)
    monkeypatch.setattr("lf_export_localstack.cli.dev.generate_sample", lambda *_, **__: {})


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("stopping_is_slow")
@pytest.mark.parametrize("during", ["dagster.wait_for_ui", "is_running"])
def test_ctrl_c_is_answered_before_dagster_has_ended(
    during: str, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lf_export_localstack.cli.dev.dagster.wait_for_ui", lambda *_: None)
    monkeypatch.setattr("lf_export_localstack.cli.dev._say_where", lambda *_: None)
    monkeypatch.setattr(f"lf_export_localstack.cli.dev.{during}", interrupt)
    (port,) = choose(["webserver"], earlier={}, configured={}).values()

    ended = call_dev(state_dir, port)

    assert ended.exit_code == 0
    *_, first, second, last = ended.stdout.splitlines()
    assert first.endswith("Stopping everything")
    assert (second, last) == ("Dagster has ended", "Ended; the data are kept.")


@pytest.mark.usefixtures("stopping_is_slow")
def test_ctrl_c_while_the_servers_start_is_answered_too(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalStack, "up", interrupt)
    (port,) = choose(["webserver"], earlier={}, configured={}).values()

    ended = call_dev(state_dir, port)

    *_, first, last = ended.stdout.splitlines()
    assert first.endswith("Stopping everything")
    assert last == "Ended; the data are kept."
