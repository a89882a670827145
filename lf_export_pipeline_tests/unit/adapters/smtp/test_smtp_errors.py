import smtplib
import socket
import ssl
import traceback
from email.headerregistry import Address
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from pydantic import SecretStr

from lf_export_pipeline.adapters.smtp.mailer import (
    NoMailer,
    SesMailer,
    SmtpMailer,
    from_client,
    open_mailer,
    smtp_errors,
)
from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    MessageDeferredError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.settings import MailSettings
from lf_export_pipeline.settings.smtp_url import SmtpUrl

SENDER = Address("Langfuse", addr_spec="a@x.test")


def opened(url: str) -> object:
    return open_mailer(
        MailSettings(email_from_address="a@x.test", smtp_connection_url=SecretStr(url))
    )


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.test", SmtpUrl("mail.test", 587, "", "", tls_at_once=False)),
        ("smtps://mail.test", SmtpUrl("mail.test", 465, "", "", tls_at_once=True)),
        ("smtp://mail.test:465", SmtpUrl("mail.test", 465, "", "", tls_at_once=True)),
        (
            "smtp://a%40b:p%2F%3A@mail.test:25?pool=true",
            SmtpUrl("mail.test", 25, "a@b", "p/:", tls_at_once=False),
        ),
    ],
)
def test_the_address_says_where_and_how_to_sign_in(url: str, server: SmtpUrl) -> None:
    mailer = opened(url)
    assert isinstance(mailer, SmtpMailer)
    assert mailer._server == server
    assert "p/:" not in repr(server)


def test_ses_is_named_by_its_region() -> None:
    mailer = opened("ses://eu-central-1")
    assert isinstance(mailer, SesMailer)
    assert mailer._region == "eu-central-1"


@pytest.mark.parametrize("sender", [None, "a@x.test"])
def test_without_settings_there_is_a_mailer_that_says_what_to_set(sender: str | None) -> None:
    mailer = open_mailer(MailSettings(email_from_address=sender))
    assert isinstance(mailer, NoMailer)
    assert not mailer.configured
    with pytest.raises(ConfigurationError, match="SMTP_CONNECTION_URL and EMAIL_FROM_ADDRESS"):
        mailer.greet(SENDER)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (
            smtplib.SMTPAuthenticationError(535, b"no"),
            ConfigurationError,
            "check user and password",
        ),
        (smtplib.SMTPAuthenticationError(454, b"later"), TransientError, "reply 454"),
        (smtplib.SMTPDataError(451, b"later"), MessageDeferredError, "reply 451"),
        (smtplib.SMTPSenderRefused(451, b"later", "a"), TransientError, "reply 451"),
        (smtplib.SMTPDataError(554, b"spam"), PermanentError, "refuses the e-mail (reply 554)"),
        (
            smtplib.SMTPSenderRefused(550, b"no", "a"),
            ConfigurationError,
            "(reply 550); check EMAIL_FROM_ADDRESS",
        ),
        (smtplib.SMTPSenderRefused(530, b"no", "a"), ConfigurationError, "a sign-in first"),
        (smtplib.SMTPDataError(530, b"no"), ConfigurationError, "a sign-in first"),
        (smtplib.SMTPRecipientsRefused({"a": (530, b"no")}), ConfigurationError, "a sign-in first"),
        (
            smtplib.SMTPRecipientsRefused({"a": (530, b"no"), "b": (550, b"no")}),
            PermanentError,
            "reply 530",
        ),
        (smtplib.SMTPHeloError(504, b"who?"), ConfigurationError, "`name=`"),
        (smtplib.SMTPHeloError(451, b"later"), TransientError, "reply 451"),
        (smtplib.SMTPConnectError(554, b"no"), ConfigurationError, "does not speak with this"),
        (smtplib.SMTPResponseException(502, "no"), ConfigurationError, "STARTTLS and refuses it"),
        (smtplib.SMTPResponseException(454, "later"), TransientError, "reply 454"),
        (smtplib.SMTPRecipientsRefused({"a": (550, b"no")}), PermanentError, "reply 550"),
        (
            smtplib.SMTPRecipientsRefused({"a": (450, b"later"), "b": (550, b"")}),
            MessageDeferredError,
            "reply 450",
        ),
        (smtplib.SMTPConnectError(421, b"too many"), TransientError, "reply 421"),
        (smtplib.SMTPServerDisconnected("gone"), TransientError, "SMTP_CONNECTION_URL"),
        (smtplib.SMTPNotSupportedError("no AUTH"), PermanentError, "SMTPUTF8"),
        (ssl.SSLCertVerificationError(1, "self-signed"), ConfigurationError, "_SMTP_CA_FILE"),
        (ReadTimeoutError(endpoint_url="https://ses.test"), AnswerLostError, "was lost"),
        (ConnectionClosedError(endpoint_url="https://ses.test"), AnswerLostError, "was lost"),
        (EndpointConnectionError(endpoint_url="https://ses"), TransientError, "does not answer"),
        (TimeoutError(), TransientError, "does not answer (TimeoutError)"),
        (ConnectionRefusedError(111, "Connection refused"), TransientError, "(Connection refused)"),
        (socket.gaierror(-2, "Name or service not known"), TransientError, "(Name or service"),
    ],
)
def test_replies_are_final_or_may_pass_and_say_what_to_do(
    error: Exception, kind: type[ExportError], says: str
) -> None:
    mapped = from_client(error)
    assert type(mapped) is kind
    assert says in str(mapped)


def ses(status: int, code: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "not for ada@x.test"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "SendEmail")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (NoCredentialsError(), ConfigurationError, "no credentials for Amazon SES"),
        (ses(403, "AccessDeniedException"), ConfigurationError, "allow it ses:SendEmail"),
        (ses(403, "SignatureDoesNotMatch"), ConfigurationError, "AWS_SECRET_ACCESS_KEY"),
        (ses(400, "SendingPausedException"), ConfigurationError, "for this account"),
        (ses(400, "AccountSuspendedException"), ConfigurationError, "for this account"),
        (ses(400, "MailFromDomainNotVerifiedException"), ConfigurationError, "EMAIL_FROM_ADDRESS"),
        (ses(400, "MessageRejected"), PermanentError, "MessageRejected"),
        (ses(429, "TooManyRequestsException"), TransientError, "TooManyRequestsException"),
        (ses(500, "InternalFailure"), TransientError, "InternalFailure"),
    ],
)
def test_what_ses_has_against_every_message_is_a_matter_of_configuration(
    error: Exception, kind: type[ExportError], says: str
) -> None:
    mapped = from_client(error)
    assert type(mapped) is kind
    assert says in str(mapped)
    assert "ada@x.test" not in str(mapped)


REJECTED: Any = {"Error": {"Code": "MessageRejected", "Message": "not verified: ada@x.test"}}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (smtplib.SMTPRecipientsRefused({"ada@x.test": (452, b"full: ada@x.test")}), "reply 452"),
        (smtplib.SMTPDataError(554, b"spam: https://link for ada@x.test"), "reply 554"),
        (ClientError(REJECTED, "SendEmail"), "MessageRejected"),
    ],
    ids=["recipient", "message", "SES"],
)
def test_what_a_server_replies_is_not_recorded(error: Exception, said: str) -> None:
    with pytest.raises(ExportError, match=said) as caught, smtp_errors():
        raise error

    assert "ada@x.test" not in "".join(traceback.format_exception(caught.value))
