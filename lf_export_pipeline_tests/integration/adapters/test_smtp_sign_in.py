"""Users and passwords with letters of all scripts, on a mail server that asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from pathlib import Path
from urllib.parse import quote

import pytest
from aiosmtpd.controller import Controller

from lf_export_localstack.processes import tcp_ports
from lf_export_localstack.services.smtp_server import Inbox, Login
from lf_export_pipeline.adapters.smtp.mailer import open_mailer
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith
from lf_export_pipeline_tests.integration.adapters.test_smtp import answers_to, scripted_server

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]

SENDER = Address("Langfuse", addr_spec="noreply@example.test")
USER, PASSWORD = "zoë", "pässwörd 日本 😀"


@contextmanager
def mail_server(folder: Path, without: tuple[str, ...] = (), user: str = USER) -> Iterator[str]:
    """A server that lets one user in; its address."""
    server = Controller(
        Inbox(folder),
        hostname=tcp_ports.HOST,
        port=tcp_ports.choose(["smtp"], earlier={}, configured={})["smtp"],
        authenticator=Login(user, PASSWORD),
        auth_required=True,
        auth_require_tls=False,
        auth_exclude_mechanism=without,
    )
    server.start()
    try:
        yield f"smtp://{quote(user)}:{quote(PASSWORD)}@{tcp_ports.HOST}:{server.port}"
    finally:
        server.stop()


@pytest.mark.parametrize("without", [(), ("LOGIN",), ("PLAIN",)], ids=str)
@pytest.mark.parametrize("user", ["zoe", "zoë"])
def test_letters_of_all_scripts_let_a_user_in(
    settings_with: SettingsWith, tmp_path: Path, without: tuple[str, ...], user: str
) -> None:
    with mail_server(tmp_path, without, user) as address:
        open_mailer(settings_with(SMTP_CONNECTION_URL=address)).greet(SENDER)


def test_wrong_letters_are_a_matter_of_configuration(
    settings_with: SettingsWith, tmp_path: Path
) -> None:
    with mail_server(tmp_path) as address:
        wrong = address.replace(quote("日"), quote("月"))
        with pytest.raises(ConfigurationError, match="refuses the sign-in") as refusal:
            open_mailer(settings_with(SMTP_CONNECTION_URL=wrong)).greet(SENDER)
    assert "月" not in str(refusal.value)


def test_server_that_takes_ascii_only_is_named(settings_with: SettingsWith) -> None:
    with scripted_server(answers_to(ehlo=b"250-script\r\n250 AUTH CRAM-MD5")) as url:
        address = url.replace("//", f"//{quote(USER)}:{quote(PASSWORD)}@")
        mailer = open_mailer(settings_with(SMTP_CONNECTION_URL=address))
        with pytest.raises(ConfigurationError, match="plain letters of ASCII"):
            mailer.greet(SENDER)


@pytest.mark.parametrize("user", ["zoe", "zoë"])
@pytest.mark.parametrize(
    "offered", ["", "AUTH XOAUTH2", "AUTH GSSAPI NTLM", "STARTTLS"], ids=lambda line: line or "none"
)
def test_server_without_a_sign_in_for_passwords_is_a_matter_of_configuration(
    settings_with: SettingsWith, user: str, offered: str
) -> None:
    """Many servers offer one with TLS only, or at another port."""
    lines = [b"250-script", f"250 {offered or '8BITMIME'}".encode()]
    replies = answers_to(ehlo=b"\r\n".join(lines))
    with scripted_server(replies) as url:
        address = url.replace("//", f"//{quote(user)}:secret@") + "?ignoreTLS=true"
        mailer = open_mailer(settings_with(SMTP_CONNECTION_URL=address))
        with pytest.raises(ConfigurationError, match="no sign-in with user and password") as found:
            mailer.greet(SENDER)
    assert "ignoreTLS" in str(found.value)


@pytest.mark.parametrize("sender", ["noreply@example.test", "nö@example.test"])
def test_who_has_no_user_on_a_server_that_wants_one_hears_so_without_a_message(
    settings_with: SettingsWith, tmp_path: Path, sender: str
) -> None:
    with mail_server(tmp_path) as address:
        nobody = f"smtp://{address.rpartition('@')[2]}"
        mailer = open_mailer(settings_with(SMTP_CONNECTION_URL=nobody))
        with pytest.raises(ConfigurationError, match="wants a sign-in first") as refusal:
            mailer.greet(Address("Langfuse", *sender.split("@")))
    assert "SMTP_CONNECTION_URL" in str(refusal.value)
    assert sender not in str(refusal.value)


@pytest.mark.parametrize("host", ["mail..test", f"{'x' * 64}.test"])
def test_host_that_cannot_be_looked_up_is_a_matter_of_configuration(
    settings_with: SettingsWith, host: str
) -> None:
    mailer = open_mailer(settings_with(SMTP_CONNECTION_URL=f"smtp://{host}"))
    with pytest.raises(ConfigurationError, match="SMTP_CONNECTION_URL"):
        mailer.greet(SENDER)
