"""Signs in to a mail server, with letters of all scripts."""

import smtplib
from base64 import b64encode

from lf_export_pipeline.core.errors import ConfigurationError

_SIGNED_IN = (235, 503)  # 503: the server had let us in before
_WAYS = {"PLAIN", "LOGIN", "CRAM-MD5"}  # what smtplib knows; the last one in ASCII only


def sign_in(session: smtplib.SMTP, user: str, password: str) -> None:
    """Let the server know who we are; smtplib itself can say that in ASCII only.

    RFC 4616: user and password are UTF-8 in PLAIN. LOGIN, which is all that some servers offer, was
    never standardised; those servers take UTF-8 there as well.

    Raises:
        SMTPException: The server does not let us in.
        ConfigurationError: It offers no way to sign in, or none to send these letters.
    """
    session.ehlo_or_helo_if_needed()
    offered = {*session.esmtp_features.get("auth", "").upper().split()}
    _require_some(offered)
    if f"{user}{password}".isascii():
        session.login(user, password)
        return
    if "PLAIN" in offered:
        code, reply = session.docmd("AUTH", f"PLAIN {_coded('', user, password)}")
    elif "LOGIN" in offered:
        code, reply = session.docmd("AUTH", f"LOGIN {_coded(user)}")
        if code == 334:
            code, reply = session.docmd(_coded(password))
    else:
        raise ConfigurationError(
            "The mail server takes only plain letters of ASCII at the sign-in; change user and "
            "password in SMTP_CONNECTION_URL."
        )
    if code not in _SIGNED_IN:
        raise smtplib.SMTPAuthenticationError(code, reply)


def _require_some(offered: set[str]) -> None:
    """Nothing, if there is a way for a user with a password; many servers have it with TLS only."""
    if not offered & _WAYS:
        raise ConfigurationError(
            "The mail server offers no sign-in with user and password here; in SMTP_CONNECTION_URL "
            "name its port for that (587, or 465 with `smtps://`) without `ignoreTLS`, or leave "
            "user and password out."
        )


def _coded(*texts: str) -> str:
    return b64encode("\0".join(texts).encode()).decode()
