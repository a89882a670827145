"""An SMTP server that keeps each message as a file.

`python -m lf_export_localstack.services.smtp_server` runs it.

Mail programs open `.eml` files, and tests read them; nothing is ever sent on.
"""

import asyncio
import logging
import os
import secrets
import signal
import time
import warnings
from pathlib import Path

import click
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from lf_export_localstack.processes.tcp_ports import HOST

PASSWORD_VARIABLE = "LF_EXPORT_SMTP_SERVER_PASSWORD"  # noqa: S105 - a name


class Inbox:
    """Writes each accepted message to a folder; file names sort by time of arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(  # noqa: N802 - the name is given by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """The reply to the client; the file is complete before it is sent."""
        del server, session
        recipients = ", ".join(envelope.rcpt_tos)
        received = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {recipients}\r\n"
        content = envelope.content or b""
        body = content if isinstance(content, bytes) else content.encode()
        name = f"{time.time_ns()}-{secrets.token_hex(3)}"
        draft = self.folder / f"{name}.new"
        draft.write_bytes(received.encode() + body)
        # Who watches the folder for *.eml never sees half a message.
        draft.replace(self.folder / f"{name}.eml")
        return f"250 Kept as {name}.eml"


class Login:
    """Accepts one user with one password."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user.encode()
        self.password = password.encode()

    def __call__(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        auth_data: object,
    ) -> AuthResult:
        """Whether the client may send mail."""
        del server, session, envelope, mechanism
        known = (
            isinstance(auth_data, LoginPassword)
            and secrets.compare_digest(auth_data.login, self.user)
            and secrets.compare_digest(auth_data.password, self.password)
        )
        return AuthResult(success=known, handled=False)


async def serve(port: int, inbox: Inbox, login: Login | None) -> None:
    """Runs until SIGTERM or SIGINT.

    Args:
        port: the loopback port to listen on.
        inbox: takes the messages.
        login: who may send; None lets everybody send.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for request in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(request, ended.set)

    def protocol() -> SMTP:
        return SMTP(
            inbox,
            hostname="localhost",
            enable_SMTPUTF8=True,
            loop=loop,
            authenticator=login,
            auth_required=login is not None,
            auth_require_tls=False,  # loopback
        )

    server = await loop.create_server(protocol, HOST, port)
    click.echo(f"Listening on {HOST}:{port}; messages go to {inbox.folder}")
    await ended.wait()
    server.close()


@click.command()
@click.option("--port", type=int, required=True, help="Loopback port to listen on.")
@click.option("--inbox", type=click.Path(path_type=Path), required=True, help="Folder for mail.")
@click.option("--user", help=f"Who may send; the password is in {PASSWORD_VARIABLE}.")
def main(port: int, inbox: Path, user: str | None) -> None:
    """An SMTP server on loopback that keeps each message as an .eml file."""
    # A password without TLS is what loopback is for; aiosmtpd warns of it at every connection.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    inbox.mkdir(parents=True, exist_ok=True)
    login = Login(user, os.environ[PASSWORD_VARIABLE]) if user else None
    asyncio.run(serve(port, Inbox(inbox), login))


if __name__ == "__main__":
    main()
