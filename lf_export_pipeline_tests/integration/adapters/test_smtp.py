"""E-mails through a real server: what arrives, and what its replies mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread

import pytest

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.smtp import mailer as smtp
from lf_export_pipeline.adapters.smtp import smtp_session
from lf_export_pipeline.adapters.smtp.mailer import open_mailer
from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    MessageDeferredError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.core.ports import Recipient
from lf_export_pipeline.notify.channels import Notification, Occasion
from lf_export_pipeline.notify.email_message import build_message, sender_of
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith
from lf_export_pipeline_tests.numbers_table import export_row

pytestmark = pytest.mark.services


@pytest.fixture
def message(settings: Settings, request: pytest.FixtureRequest) -> EmailMessage:
    row = export_row(name=f"Traces of {request.node.name}", url="https://bucket.test/key")
    return build_message(
        Notification(Occasion.READY, row),
        Recipient("zoe@example.test", "Zoë 日本"),
        settings,
        timedelta(hours=24),
    )


def test_a_message_arrives_as_it_was_built(
    stack: LocalStack, settings: Settings, message: EmailMessage
) -> None:
    open_mailer(settings).send(message)
    mails = [path.read_bytes() for path in stack.addresses().inbox.glob("*.eml")]
    parsed = [message_from_bytes(mail, policy=policy.default) for mail in mails]
    (arrived,) = [mail for mail in parsed if mail["Message-ID"] == message["Message-ID"]]
    assert isinstance(arrived, EmailMessage)
    assert arrived["X-Envelope-To"] == "zoe@example.test"
    for kind in ("plain", "html"):
        sent, got = message.get_body((kind,)), arrived.get_body((kind,))
        assert isinstance(sent, EmailMessage)
        assert isinstance(got, EmailMessage)
        assert got.get_content().splitlines() == sent.get_content().splitlines()


def test_greeting_sends_nothing(stack: LocalStack, settings: Settings) -> None:
    before = set(stack.addresses().inbox.glob("*.eml"))
    open_mailer(settings).greet(sender_of(settings))
    assert set(stack.addresses().inbox.glob("*.eml")) == before


def test_a_wrong_password_is_a_matter_of_configuration(
    settings_with: SettingsWith, message: EmailMessage
) -> None:
    right = settings_with().smtp_connection_url
    assert right is not None
    wrong = right.get_secret_value().replace("@", "wrong@")
    with pytest.raises(ConfigurationError, match="SMTP_CONNECTION_URL"):
        open_mailer(settings_with(SMTP_CONNECTION_URL=wrong)).send(message)


def test_a_server_that_is_away_may_come_back(
    settings_with: SettingsWith, message: EmailMessage
) -> None:
    with pytest.raises(TransientError):
        open_mailer(settings_with(SMTP_CONNECTION_URL="smtp://127.0.0.1:9")).send(message)


@pytest.mark.parametrize(
    ("command", "reply", "kind"),
    [
        (b"RCPT", b"450 4.2.0 try again", MessageDeferredError),
        (b"RCPT", b"550 5.1.1 no such user", PermanentError),
        (b"RCPT", b"530 5.7.0 sign in first", ConfigurationError),
        (b"MAIL", b"451 4.3.0 later", TransientError),
        (b"MAIL", b"553 5.7.1 not yours", ConfigurationError),
        (b"MAIL", b"530 5.7.0 sign in first", ConfigurationError),
        (b"DATA", b"554 5.7.1 spam", PermanentError),
        (b"EHLO", b"", TransientError),
        (b"RCPT", b"", TransientError),
    ],
)
def test_a_reply_is_final_or_may_pass(
    settings_with: SettingsWith,
    message: EmailMessage,
    command: bytes,
    reply: bytes,
    kind: type[ExportError],
) -> None:
    with scripted_server(lambda line: reply if line.startswith(command) else None) as url:
        mailer = open_mailer(settings_with(SMTP_CONNECTION_URL=url))
        with pytest.raises(kind) as caught:
            mailer.send(message)
    assert type(caught.value) is kind
    assert "zoe@example.test" not in str(caught.value)


def test_a_message_that_was_taken_is_sent_whatever_the_goodbye(
    settings_with: SettingsWith, message: EmailMessage
) -> None:
    replies = {b"DATA": b"354 go on", b".\r\n": b"250 taken", b"QUIT": b"421 too late"}
    taken: list[bytes] = []

    def answer(line: bytes) -> bytes | None:
        taken.extend([line] if line == b".\r\n" else [])
        return replies.get(line if line == b".\r\n" else line.strip())

    with scripted_server(answer) as url:
        open_mailer(settings_with(SMTP_CONNECTION_URL=url)).send(message)
    assert len(taken) == 1


END = b".\r\n"


def answers_to(**replies: bytes) -> Callable[[bytes], bytes | None]:
    """The replies by the command; ``end`` is the one to the end of a message."""
    known = {"data": b"354 go on", **replies}
    return lambda line: known.get("end" if line == END else line[:4].decode().lower())


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ({"ehlo": b"250-script\r\n250 STARTTLS", "star": b"502 no"}, "refuses it .reply 502"),
        ({"ehlo": b"550 who?", "helo": b"550 who?"}, "`name=`"),
        ({"mail": b"553 not yours"}, "EMAIL_FROM_ADDRESS"),
        ({"mail": b"530 sign in"}, "wants a sign-in first"),
    ],
)
def test_what_a_server_has_against_every_message_is_heard_without_one(
    settings_with: SettingsWith, message: EmailMessage, replies: dict[str, bytes], says: str
) -> None:
    with scripted_server(answers_to(**replies)) as url:
        settings = settings_with(SMTP_CONNECTION_URL=url)
        mailer = open_mailer(settings)
        with pytest.raises(ConfigurationError, match=says):
            mailer.greet(sender_of(settings))
        with pytest.raises(ConfigurationError, match=says):
            mailer.send(message)


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ({"end": b""}, AnswerLostError),
        ({"end": b"451 4.3.0 later"}, MessageDeferredError),
        ({"end": b"554 5.7.1 spam"}, PermanentError),
        ({"data": b""}, TransientError),
    ],
    ids=["hangs up", "not now", "never", "hangs up before the message"],
)
def test_only_a_message_that_was_handed_over_can_lose_its_answer(
    settings_with: SettingsWith,
    message: EmailMessage,
    replies: dict[str, bytes],
    kind: type[ExportError],
) -> None:
    with scripted_server(answers_to(**replies)) as url, pytest.raises(kind) as caught:
        open_mailer(settings_with(SMTP_CONNECTION_URL=url)).send(message)
    assert type(caught.value) is kind


def test_a_server_may_take_its_time_with_a_message(
    settings_with: SettingsWith, message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "SILENCE_SECONDS", 1)
    busy = Event()

    def answer(line: bytes) -> bytes | None:
        if line == END:
            busy.wait(2)
        return answers_to(end=b"250 taken")(line)

    with scripted_server(answer) as url:
        open_mailer(settings_with(SMTP_CONNECTION_URL=url)).send(message)


def test_the_answer_of_a_server_that_stays_silent_is_lost(
    settings_with: SettingsWith, message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_session, "ANSWER_SECONDS", 0.2)
    given_up = Event()

    def answer(line: bytes) -> bytes | None:
        if line == END:
            given_up.wait(60)
        return answers_to(end=b"")(line)

    with scripted_server(answer) as url:
        with pytest.raises(AnswerLostError):
            open_mailer(settings_with(SMTP_CONNECTION_URL=url)).send(message)
        given_up.set()


@contextmanager
def scripted_server(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """A mail server that gives chosen replies, and hangs up where the reply is empty."""

    class Script(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 script\r\n")
            is_text = False
            for line in self.rfile:
                if is_text and line != b".\r\n":
                    continue  # the lines of a message are not commands
                reply = answer(line.upper())
                if reply == b"":
                    return
                is_text = reply is not None and reply.startswith(b"354")
                self.wfile.write((reply or b"250 ok") + b"\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Script) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
