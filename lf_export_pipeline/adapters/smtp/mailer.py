"""Sends e-mails: through a mail server, or through Amazon SES."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)

from lf_export_pipeline.adapters.aws import authorities_of_aws, aws_session
from lf_export_pipeline.adapters.quoted_headers import quotes_a_header
from lf_export_pipeline.adapters.smtp.login import sign_in
from lf_export_pipeline.adapters.smtp.refusals import refusal_of_us
from lf_export_pipeline.adapters.smtp.smtp_session import EncryptedMailSession, MailSession
from lf_export_pipeline.adapters.tls import refused_certificate
from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    MessageDeferredError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.core.ports import Mailer
from lf_export_pipeline.settings import MailSettings
from lf_export_pipeline.settings.smtp_url import SmtpUrl, smtp_url

SILENCE_SECONDS = 30
REPLIES = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, ClientError)


class MailSender(Mailer, Protocol):
    """A ``Mailer`` that can try without sending."""

    doubts: tuple[str, ...]
    """What SMTP_CONNECTION_URL says to Langfuse, but not here, or what is unsafe about it."""

    def greet(self, sender: Address) -> None:
        """Sign in and name the sender without sending anything; raises what ``send`` would."""
        ...


def open_mailer(settings: MailSettings) -> MailSender:
    """The mailer that SMTP_CONNECTION_URL names."""
    url = settings.smtp_connection_url
    if url is None or not settings.email_from_address:
        return NoMailer()
    address = url.get_secret_value()
    if address.startswith("ses://"):
        return SesMailer(urlsplit(address).hostname or "")
    return SmtpMailer(smtp_url(address), settings.lf_export_smtp_ca_file)


class NoMailer:
    """Stands where no mail server is configured."""

    configured = False
    doubts: tuple[str, ...] = ()

    def send(self, message: EmailMessage) -> None:  # noqa: ARG002 - the port's signature
        """Raises: nothing can be sent."""
        raise ConfigurationError(
            "No e-mail can be sent; set SMTP_CONNECTION_URL and EMAIL_FROM_ADDRESS."
        )

    def greet(self, sender: Address) -> None:  # noqa: ARG002 - the port's signature
        """Raises the same sentence."""
        self.send(EmailMessage())


class SmtpMailer:
    """Sends through an SMTP server, with TLS wherever the server offers it."""

    configured = True

    def __init__(self, server: SmtpUrl, authorities: str | None = None) -> None:
        self._server = server
        self._authorities = authorities
        self.doubts = server.doubts

    def send(self, message: EmailMessage) -> None:
        """Hand one message to the server, for the addresses in its headers.

        Raises:
            AnswerLostError: The server may have taken it.
            ExportError: It has not.
        """
        with smtp_errors(), self._session() as session:
            session.send_message(message)

    def greet(self, sender: Address) -> None:
        """Connect, sign in, and hear whether the sender may send; then take that back.

        A server that nobody has to sign in to before the first message lets everybody in.
        """
        with smtp_errors(), self._session() as session:
            address = sender.addr_spec
            code, reply = session.mail(address, () if address.isascii() else ("SMTPUTF8",))
            if code != 250:
                raise smtplib.SMTPSenderRefused(code, reply, address)
            session.rset()

    @contextmanager
    def _session(self) -> Iterator[MailSession]:
        """A session that is signed in.

        Not smtplib's own context: that one lets the reply to QUIT hide an error, or undo a success.
        """
        with closing(self._connected()) as session:
            if self._server.user:
                sign_in(session, self._server.user, self._server.password)
            yield session
            with suppress(smtplib.SMTPException, OSError):
                session.quit()

    def _connected(self) -> MailSession:
        server = self._server
        trust = ssl.create_default_context(cafile=self._authorities)
        own = (server.local_address, 0) if server.local_address else None
        session = (
            EncryptedMailSession(
                local_hostname=server.own_name,
                timeout=SILENCE_SECONDS,
                source_address=own,
                context=trust,
            )
            if server.tls_at_once
            else MailSession(
                local_hostname=server.own_name, timeout=SILENCE_SECONDS, source_address=own
            )
        )
        try:
            session.open_to(server.host, server.port, server.server_name)
            if not server.tls_at_once:
                self._secure(session, trust)
        except BaseException:
            session.close()
            raise
        return session

    def _secure(self, session: smtplib.SMTP, trust: ssl.SSLContext) -> None:
        session.ehlo_or_helo_if_needed()
        if self._server.ignores_tls:
            return
        if session.has_extn("starttls"):
            session.starttls(context=trust)
        elif self._server.requires_tls:
            raise ConfigurationError(
                "The mail server offers no STARTTLS, which SMTP_CONNECTION_URL asks for."
            )


class SesMailer:
    """Sends through Amazon SES with AWS's own chain of credentials."""

    configured = True
    doubts: tuple[str, ...] = ()

    def __init__(self, region: str) -> None:
        self._region = region

    def send(self, message: EmailMessage) -> None:
        """Hand one message to SES; as to a server of one's own."""
        with smtp_errors():
            self._client().send_email(
                FromEmailAddress=str(message["From"]),
                Destination={"ToAddresses": [str(message["To"])]},
                Content={"Raw": {"Data": message.as_bytes()}},
            )

    def greet(self, sender: Address) -> None:  # noqa: ARG002 - its rights are another question
        """Ask SES for the account."""
        with smtp_errors():
            self._client().get_account()

    def _client(self) -> Any:
        """Without retries of its own: it does not know how often a message may be repeated."""
        once = Config(
            retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=SILENCE_SECONDS
        )
        return aws_session().client(
            "sesv2", region_name=self._region, verify=authorities_of_aws() or True, config=once
        )


@contextmanager
def smtp_errors() -> Iterator[None]:
    """Turns the errors of mail servers into the pipeline's.

    What a server replies is no cause that Dagster may record: it quotes the recipient's address,
    and may quote the message.
    """
    try:
        yield
    except (smtplib.SMTPException, OSError, ClientError, BotoCoreError) as error:
        is_told = quotes_a_header(error) or isinstance(error, REPLIES)
        raise from_client(error) from None if is_told else error
    except UnicodeError as error:
        raise ConfigurationError(
            "The mail server has no name that can be looked up; check the host in "
            "SMTP_CONNECTION_URL."
        ) from error


def from_client(error: Exception) -> ExportError:
    """The pipeline's error: by SMTP, replies from 500 on are final and all others may pass."""
    if told := _told_apart(error):
        return told
    if isinstance(error, (ReadTimeoutError, ConnectionClosedError)):
        return AnswerLostError("The answer of Amazon SES to the e-mail was lost.")
    code, said = _reply_code(error), _reply(error)
    if code >= 500:
        return PermanentError(f"The mail server refuses the e-mail ({said}).")
    if not code and not isinstance(error, ClientError):
        return TransientError(
            f"The mail server does not answer ({said}); check that it is running, and host and "
            "port in SMTP_CONNECTION_URL."
        )
    sentence = f"The mail server could not take the e-mail ({said})."
    return MessageDeferredError(sentence) if _is_deferred(error) else TransientError(sentence)


def _told_apart(error: Exception) -> ExportError | None:
    """The error with its own advice; None for one of which a reply says all that is known."""
    if refusal := refusal_of_us(error):
        return refusal
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return PermanentError(
            "The mail server takes no addresses with letters beyond ASCII before the @ (SMTPUTF8); "
            "the user's or the one in EMAIL_FROM_ADDRESS has some."
        )
    if quotes_a_header(error):
        return ConfigurationError(
            "A request to Amazon SES cannot be written; look for a line break or another control "
            "character in AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN."
        )
    return refused_certificate(
        error,
        server="The mail server",
        address="SMTP_CONNECTION_URL",
        authorities="LF_EXPORT_SMTP_CA_FILE",
    )


def _is_deferred(error: Exception) -> bool:
    """Whether a server that works has something against this recipient, or this message."""
    is_of_the_message = isinstance(error, (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError))
    return is_of_the_message and _reply_code(error) >= 400


def _reply(error: Exception) -> str:
    """What is told of it: a name or a number, and none of the server's words, but the network's."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "no code"))
    code = _reply_code(error)
    if code:
        return f"reply {code}"
    is_of_the_network = isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)
    words = getattr(error, "strerror", None) if is_of_the_network else None
    return str(words or type(error).__name__)


def _reply_code(error: Exception) -> int:
    """The server's reply; 0: there was none. Of several recipients' replies the mildest counts."""
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min((code for code, _ in error.recipients.values()), default=0)
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return 550 if status in (400, 403, 404) else 0
    return 0
