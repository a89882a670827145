"""Messages to a webhook: what is in them, and what comes of the answers to them."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from lf_export_pipeline.adapters import webhook
from lf_export_pipeline.adapters.webhook import post_json
from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.notify.channels import Notification, Occasion, size_text
from lf_export_pipeline.notify.webhook_channel import WebhookChannel, webhook_text
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT

SECRET = "T0/B0/s3cr3t"


class Server:
    """A webhook that answers with a status; None: it hangs up."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.bodies: list[dict[str, object]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                server.bodies.append(json.loads(self.rfile.read(length)))
                if server.status is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(server.status)
                if 300 <= server.status < 400:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet."""

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/{SECRET}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def notification(occasion: Occasion = Occasion.READY, **values: Any) -> Notification:
    row = export_row(
        name="My <!channel> export",
        url="https://bucket.test/key?X-Amz-Signature=abc",
        expires_at=datetime(2031, 3, 2, 14, 5, tzinfo=UTC),
        **values,
    )
    return Notification(occasion, row, rows=1_234, size=2048)


def test_message_says_what_is_ready_and_never_the_link(server: Server) -> None:
    environment = {"LF_EXPORT_WEBHOOK_URL": server.url, "NEXTAUTH_URL": "https://langfuse.test"}
    channel = WebhookChannel(Settings.load(ENVIRONMENT | environment))

    channel.send(notification())

    (body,) = server.bodies
    assert body == {
        "text": 'Export "My &lt;!channel&gt; export" is ready.\n'
        "Table: numbers\nProject: project-1\nFormat: CSV\nRows: 1,234\nSize: 2.0 KiB\n"
        "Available until: 2031-03-02 14:05 UTC\n"
        "https://langfuse.test/project/project-1/settings/exports"
    }


def test_message_about_a_failure_has_its_sentence() -> None:
    text = webhook_text(notification(Occasion.FAILED, log="No such <column>."), None)

    assert "failed." in text
    assert "No such &lt;column&gt;." in text
    assert "http" not in text


@pytest.mark.parametrize("occasion", Occasion)
def test_webhook_is_told_of_both_occasions_if_there_is_one(occasion: Occasion) -> None:
    with_one = {"LF_EXPORT_WEBHOOK_URL": "https://hooks.example.test/x"}

    assert WebhookChannel(Settings.load(ENVIRONMENT | with_one)).wants(occasion)
    assert not WebhookChannel(Settings.load(ENVIRONMENT)).wants(occasion)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, TransientError),
        (503, TransientError),
        (429, TransientError),
        (408, TransientError),
        (302, ConfigurationError),
        (403, ConfigurationError),
        (404, ConfigurationError),
        (410, ConfigurationError),
        (400, PermanentError),
        (413, PermanentError),
        (None, AnswerLostError),
    ],
)
def test_answer_becomes_an_error_without_the_address(
    status: int | None, error: type[ExportError], server: Server
) -> None:
    server.status = status

    with pytest.raises(error) as caught:
        post_json(server.url, {"text": "x"}, setting="LF_EXPORT_WEBHOOK_URL")

    assert type(caught.value) is error
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(server.bodies) == 1  # a redirect is not followed


def test_webhook_that_is_away_may_come_back() -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        post_json(f"http://127.0.0.1:1/{SECRET}", {"text": "x"}, setting="LF_EXPORT_WEBHOOK_URL")


def test_webhook_that_does_not_answer_may_have_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"

        with pytest.raises(AnswerLostError):
            post_json(address, {"text": "x"}, setting="LF_EXPORT_WEBHOOK_URL")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 * 1024**3, "3.0 GiB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_standing_export_that_is_paused_is_told_with_its_reason() -> None:
    row = export_row(name="Each <day>", log="Its last 3 failed.", project_id="p")

    first, second, *_ = webhook_text(Notification(Occasion.PAUSED, row), None).splitlines()

    assert first == 'Standing export "Each &lt;day&gt;" is paused.'
    assert second == "Its last 3 failed."
