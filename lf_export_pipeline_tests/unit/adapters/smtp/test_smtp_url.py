"""What becomes of each parameter of SMTP_CONNECTION_URL that nodemailer documents."""

import smtplib
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import pytest

from lf_export_pipeline.adapters.smtp import mailer as smtp
from lf_export_pipeline.adapters.smtp.mailer import SmtpMailer, from_client, open_mailer
from lf_export_pipeline.core.errors import ConfigurationError, PermanentError
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.smtp_url import WITHOUT_EFFECT, smtp_url
from lf_export_pipeline_tests.world import ENVIRONMENT


class FakeSession(smtplib.SMTP):
    """A server that offers some extensions; remembers what it was told."""

    offers: tuple[str, ...] = ()
    last: "FakeSession"

    def __init__(self, **options: Any) -> None:
        self.options, self.commands = options, list[str]()
        self.sock = None
        FakeSession.last = self

    def open_to(self, host: str, port: int, server_name: str | None = None) -> None:
        self.address, self.certified = (host, port), server_name or host

    def ehlo_or_helo_if_needed(self) -> None:
        self.esmtp_features = {**dict.fromkeys(self.offers, ""), "auth": " PLAIN LOGIN"}
        self.does_esmtp = True

    def starttls(self, *_: Any, **__: Any) -> Any:
        self.commands.append("STARTTLS")

    def login(self, *_: Any, **__: Any) -> Any:
        self.commands.append("AUTH")

    def mail(self, *_: Any, **__: Any) -> Any:
        self.commands.append("MAIL")
        return 250, b"ok"

    def rset(self) -> Any:
        self.commands.append("RSET")

    def quit(self) -> Any:
        self.commands.append("QUIT")


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "MailSession", FakeSession)
    monkeypatch.setattr(smtp, "EncryptedMailSession", FakeSession)
    monkeypatch.setattr(FakeSession, "offers", ())


def settings_with(url: str) -> Settings:
    return Settings.load(ENVIRONMENT | {"SMTP_CONNECTION_URL": url})


def greeted(url: str) -> FakeSession:
    open_mailer(settings_with(url)).greet(Address("Langfuse", addr_spec="a@x.test"))
    return FakeSession.last


SPELLINGS = [
    *("requireTLS=true", "requireTLS=1", "requireTLS=True", "requireTLS=TRUE", "requireTLS=yes"),
    *("requireTLS", "requireTLS=", "requiretls=true", "REQUIRETLS=1", "requireTLS=%31"),
    *("requireTLS=false&requireTLS=true", "requireTLS= true", "+requireTLS=on", "secure=true"),
    *("require%54LS=true", "pool=true&requireTLS=1", "opportunisticTLS=true&requireTLS=true"),
]


@pytest.mark.parametrize("asked", SPELLINGS)
def test_nothing_is_sent_in_clear_if_tls_was_asked_for_in_any_spelling(asked: str) -> None:
    with pytest.raises(ConfigurationError, match="offers no STARTTLS"):
        greeted(f"smtp://u:p@mail.test?{asked}")
    assert FakeSession.last.commands == []


@pytest.mark.parametrize("asked", ["requireTLS=true", "requireTLS=0", ""])
def test_tls_is_used_wherever_it_is_offered(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSession, "offers", ("starttls",))
    assert greeted(f"smtp://u:p@mail.test?{asked}").commands[:2] == ["STARTTLS", "AUTH"]


@pytest.mark.parametrize("asked", ["requireTLS=false", "requireTLS=0", "secure=false", ""])
def test_a_server_without_tls_is_used_if_none_was_asked_for(asked: str) -> None:
    assert greeted(f"smtp://u:p@mail.test?{asked}").commands == ["AUTH", "MAIL", "RSET", "QUIT"]


@pytest.mark.parametrize("asked", ["ignoreTLS=true", "ignoreTLS=1", "IgnoreTLS=True"])
def test_tls_that_is_to_be_ignored_is_not_used_and_said_to_be_unsafe(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSession, "offers", ("starttls",))
    assert "STARTTLS" not in greeted(f"smtp://u:p@mail.test?{asked}").commands
    doubts = open_mailer(settings_with(f"smtp://u:p@mail.test?{asked}")).doubts
    assert doubts == ("`ignoreTLS` sends password and link in clear text",)


@pytest.mark.parametrize(
    ("parameter", "certified"),
    [
        ("tls.servername=mx.test", "mx.test"),
        ("servername=mx.test", "mx.test"),
        ("", "10.0.0.1"),
    ],
)
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_the_certificate_must_hold_the_name_that_is_given(
    scheme: str, parameter: str, certified: str
) -> None:
    assert greeted(f"{scheme}://10.0.0.1?{parameter}").certified == certified


def test_the_names_of_this_machine_are_told() -> None:
    options = greeted("smtp://mail.test?name=exports.test&localAddress=127.0.0.2").options
    assert options["local_hostname"] == "exports.test"
    assert options["source_address"] == ("127.0.0.2", 0)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail.test", ("mail.test", 587)),
        ("smtps://mail.test", ("mail.test", 465)),
        ("smtp://mail.test/?pool=true", ("mail.test", 587)),
        ("smtp://münchen.example:25", ("xn--mnchen-3ya.example", 25)),
        ("smtp://[::1]:25", ("::1", 25)),
    ],
)
def test_the_server_is_the_one_of_nodemailer(url: str, address: tuple[str, int]) -> None:
    assert greeted(url).address == address


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_parameters_about_nodemailer_itself_change_nothing(name: str) -> None:
    assert smtp_url(f"smtp://u:p@mail.test?{name}=1") == smtp_url("smtp://u:p@mail.test")


@pytest.mark.parametrize(
    ("parameter", "word"),
    [
        ("tls.rejectUnauthorized=false", "certificates are always verified"),
        ("tls.rejectUnauthorized=0", "LF_EXPORT_SMTP_CA_FILE"),
        ("tls.minVersion=TLSv1.3", "`tls.minversion` has no effect"),
        ("tls.ciphers=SSLv3", "`tls.ciphers` has no effect"),
    ],
)
def test_what_langfuse_would_heed_has_a_word_for_the_doctor(parameter: str, word: str) -> None:
    (doubt,) = open_mailer(settings_with(f"smtp://mail.test?{parameter}")).doubts
    assert word in doubt


def test_certificates_that_are_to_be_verified_need_no_word() -> None:
    assert open_mailer(settings_with("smtp://mail.test?tls.rejectUnauthorized=true")).doubts == ()


@pytest.mark.parametrize(
    "url",
    [
        "smtp://u:hunter2@mail.test?require_tls=true",
        "smtp://u:hunter2@mail.test?starttls=required",
        "smtp://u:hunter2@mail.test?lmtp=true",
        "smtp://u:hunter2@mail.test?service=Gmail",
        "smtp://u:hunter2@mail.test?proxy=http://proxy",
        "smtp://u:hunter2@mail.test/requireTLS=true",
        "smtp://u:hunter2@mail.test#requireTLS=true",
        "smtp://u:hunter2@mail.test?requireTLS=true&ignoreTLS=true",
        "smtp://u:hunter2@256.1.1.1",
        "smtp://u:hunter2@a..ü",
    ],
)
def test_what_nobody_understands_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_CONNECTION_URL has a value") as caught:
        settings_with(url)
    assert "hunter2" not in str(caught.value)


def test_an_address_that_needs_smtputf8_names_what_the_server_lacks() -> None:
    message = EmailMessage()
    message["From"], message["To"] = "noreply@example.test", "ünï@example.com"
    mailer = SmtpMailer(smtp_url("smtp://mail.test"))
    with pytest.raises(PermanentError, match="SMTPUTF8") as caught:
        mailer.send(message)
    assert "ünï" not in str(caught.value)
    assert isinstance(from_client(smtplib.SMTPNotSupportedError()), PermanentError)
