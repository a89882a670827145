"""HTTP addresses in the form in which Langfuse's clients send them: that of the URL standard."""

import re
from socket import inet_aton, inet_ntoa
from urllib.parse import SplitResult, urlsplit

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMERIC_END = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$")


def http_address(url: str) -> SplitResult:
    """Scheme, user, host, port, path and query as the URL standard normalises them.

    The host is in ASCII and in lower case, short forms of an IPv4 address are written out, and a
    port that the scheme implies is dropped.

    Raises:
        ValueError: No client could send a request there.
    """
    parts = urlsplit(url.strip())
    user, at, _ = parts.netloc.rpartition("@")
    host, port = sent_host(parts.hostname or ""), parts.port
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS.get(parts.scheme):
        shown = f"{shown}:{port}"
    return parts._replace(netloc=f"{user}{at}{shown}", fragment="")


def sent_host(host: str) -> str:
    """A host as it is looked up: other scripts in Punycode, as browsers write them.

    Raises:
        ValueError: There can be no such host.
    """
    if not host.isascii():
        return idna.encode(host, uts46=True).decode()
    host = host.lower()
    if _NUMERIC_END.search(host):
        try:
            return inet_ntoa(inet_aton(host.rstrip(".")))
        except OSError as error:
            raise ValueError("No IPv4 address has this form.") from error
    return host
