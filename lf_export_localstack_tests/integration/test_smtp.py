import email
import email.policy
import os
import smtplib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lf_export_localstack.processes import process, readiness, stopping, tcp_ports
from lf_export_localstack.processes.process import Launch
from lf_export_localstack.stack.local_stack import LocalStack

pytestmark = [pytest.mark.services, pytest.mark.long]


def _message(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", subject
    message.set_content("Grüße\n.\nafter a lone dot\n")
    return message


def _read(file: Path) -> EmailMessage:
    return email.message_from_bytes(file.read_bytes(), policy=email.policy.default)


@contextmanager
def _client(port: int) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(tcp_ports.HOST, port, timeout=10) as client:
        yield client


def _login(client: smtplib.SMTP, stack: LocalStack) -> None:
    url = urlsplit(stack.environment()["SMTP_CONNECTION_URL"])
    client.login(url.username or "", url.password or "")


def test_each_message_becomes_one_file_in_order_of_arrival(stack: LocalStack) -> None:
    inbox = stack.addresses().inbox
    before = set(inbox.glob("*.eml"))

    with _client(stack.addresses().smtp_port) as client:
        _login(client, stack)
        for subject in ("first ✓", "second", "third"):
            client.send_message(_message(subject))

    arrived = sorted(set(inbox.glob("*.eml")) - before)
    messages = [_read(file) for file in arrived]
    assert [message["Subject"] for message in messages] == ["first ✓", "second", "third"]
    assert messages[0].get_content().splitlines() == ["Grüße", ".", "after a lone dot"]
    assert messages[0]["X-Envelope-To"] == "b@example.com"
    assert not list(inbox.glob("*.new"))


def test_mail_is_refused_without_a_login(stack: LocalStack) -> None:
    with (
        _client(stack.addresses().smtp_port) as client,
        pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"),
    ):
        client.send_message(_message("anonymous"))


@pytest.mark.parametrize(("user", "password"), [("langfuse", "wrong"), ("stranger", None)])
def test_mail_is_refused_with_a_wrong_login(
    stack: LocalStack, user: str, password: str | None
) -> None:
    right = urlsplit(stack.environment()["SMTP_CONNECTION_URL"]).password or ""

    with (
        _client(stack.addresses().smtp_port) as client,
        pytest.raises(smtplib.SMTPAuthenticationError),
    ):
        client.login(user, password or right)


def test_a_server_without_a_user_takes_mail_from_everybody(tmp_path: Path) -> None:
    port = tcp_ports.choose(["smtp"], earlier={}, configured={})["smtp"]
    inbox = tmp_path / "inbox"
    module = "lf_export_localstack.services.smtp_server"
    record = process.start(
        Launch(
            argv=(sys.executable, "-m", module, "--port", str(port), "--inbox", str(inbox)),
            environment={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            directory=tmp_path,
            log=tmp_path / "log",
        )
    )

    def send() -> None:
        with _client(port) as client:
            client.send_message(_message("open"))

    try:
        readiness.wait_until_ready("smtp", record, send, log=tmp_path / "log", patience_seconds=60)
        assert len(list(inbox.glob("*.eml"))) == 1
    finally:
        stopping.stop(record)
