"""Why a mail server takes nothing from us, whatever the message: an operator has to set it right.

Of all that a server can refuse, only the recipient and the text belong to one message. What it has
against the connection, this machine's name, TLS, the sign-in or the sender it has against the next
message as well.
"""

import smtplib

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

from lf_export_pipeline.core.errors import ConfigurationError

_WANTS_A_SIGN_IN = 530  # RFC 4954, to any command; RFC 3207: STARTTLS first

_SES_STOPPED = {"AccountSuspendedException", "SendingPausedException"}
_SES_SENDER = "MailFromDomainNotVerifiedException"


def refusal_of_us(error: Exception) -> ConfigurationError | None:
    """The sentence; None if the error may pass, or is about one message."""
    if isinstance(error, (ClientError, NoCredentialsError, PartialCredentialsError)):
        return _of_ses(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
        return _sentence(error, _WANTS_A_SIGN_IN) if codes == {_WANTS_A_SIGN_IN} else None
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    if code < 500 or (isinstance(error, smtplib.SMTPDataError) and code != _WANTS_A_SIGN_IN):
        return None
    return _sentence(error, code)


def _sentence(error: Exception, code: int) -> ConfigurationError:
    means, advice = _meaning(error, code)
    return ConfigurationError(f"The mail server {means} (reply {code}); {advice}.")


def _meaning(error: Exception, code: int) -> tuple[str, str]:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "refuses the sign-in", "check user and password in SMTP_CONNECTION_URL"
    if code == _WANTS_A_SIGN_IN:
        return (
            "wants a sign-in first, or TLS",
            "put user and password into SMTP_CONNECTION_URL, and leave `ignoreTLS` out",
        )
    if isinstance(error, smtplib.SMTPSenderRefused):
        return (
            "takes no e-mail from this sender",
            "check EMAIL_FROM_ADDRESS, and whether the user in SMTP_CONNECTION_URL may send for it",
        )
    if isinstance(error, smtplib.SMTPHeloError):
        return (
            "does not take the name of this machine",
            "set `name=` in SMTP_CONNECTION_URL to one that it takes",
        )
    if isinstance(error, smtplib.SMTPConnectError):
        return (
            "does not speak with this machine",
            "check the host in SMTP_CONNECTION_URL, and whether the server has this machine's "
            "address on a list",
        )
    return (
        "offers STARTTLS and refuses it",
        "have that repaired, or use its port with TLS from the first byte (`smtps://`) in "
        "SMTP_CONNECTION_URL",
    )


def _of_ses(error: Exception) -> ConfigurationError | None:
    """Its own words stay out: they quote addresses."""
    if not isinstance(error, ClientError):
        return ConfigurationError(
            "There are no credentials for Amazon SES; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give this machine a role."
        )
    code = str(error.response.get("Error", {}).get("Code", ""))
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 403:
        return ConfigurationError(
            f"Amazon SES refuses access ({code}); check AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, or the role, and allow it ses:{error.operation_name}."
        )
    if code in _SES_STOPPED:
        return ConfigurationError(
            f"Amazon SES sends nothing for this account ({code}); look there for the reason."
        )
    if code == _SES_SENDER:
        return ConfigurationError(
            f"Amazon SES takes no e-mail from this sender ({code}); verify the domain of "
            "EMAIL_FROM_ADDRESS there."
        )
    return None
