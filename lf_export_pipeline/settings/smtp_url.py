"""SMTP_CONNECTION_URL as nodemailer reads it, with a word about each parameter."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from lf_export_pipeline.settings.addresses import sent_host

SUPPORTED = (
    *("requireTLS", "ignoreTLS", "secure", "name", "localAddress"),
    *("servername", "tls.servername", "tls.rejectUnauthorized"),
)
WITHOUT_EFFECT = (
    *("pool", "maxConnections", "maxMessages", "rateDelta", "rateLimit", "maxRequeues"),
    *("connectionTimeout", "greetingTimeout", "socketTimeout", "dnsTimeout", "authMethod"),
    *("logger", "debug", "transactionLog", "component", "opportunisticTLS"),
    *("allowInternalNetworkInterfaces", "disableFileAccess", "disableUrlAccess"),
)
"""Each message has a connection of its own, with time-outs of its own and the best method of
signing in that the server offers; STARTTLS that is offered has to succeed."""
_SUPPORTED = {name.lower() for name in SUPPORTED}
_WITHOUT_EFFECT = {name.lower() for name in WITHOUT_EFFECT}
_FALSE = {"0", "false"}


@dataclass(frozen=True, slots=True, repr=False)
class SmtpUrl:
    """Where and as whom to sign in, and what is asked of TLS.

    Attributes:
        tls_at_once: TLS from the first byte.
        requires_tls: Nothing may be sent without TLS.
        ignores_tls: STARTTLS is not to be used even if the server offers it.
        server_name: The name that the certificate must hold; None: the host.
        own_name: What to call this machine in EHLO; None: what it is called.
        local_address: The address of this machine to send from; None: any.
        doubts: What is meant otherwise in Langfuse, one phrase each.
    """

    host: str
    port: int
    user: str
    password: str
    tls_at_once: bool
    requires_tls: bool = False
    ignores_tls: bool = False
    server_name: str | None = None
    own_name: str | None = None
    local_address: str | None = None
    doubts: tuple[str, ...] = ()


def smtp_url(url: str) -> SmtpUrl:
    """The parts of the URL. Names of parameters count in any case, and TLS once asked for stays.

    Raises:
        ValueError: It holds something that nobody understands; says what, and repeats no value.
    """
    parts = urlsplit(url.strip())
    given = _parameters(parts)
    last = {name: values[-1] for name, values in given.items()}
    requires = _is_on(given, "requiretls") or _is_on(given, "secure")
    ignores = _is_on(given, "ignoretls")
    if requires and ignores:
        raise ValueError("smtp://… either with `requireTLS` or with `ignoreTLS`")
    return SmtpUrl(
        host=sent_host(parts.hostname or ""),
        port=parts.port or (465 if parts.scheme == "smtps" else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls_at_once=parts.scheme == "smtps" or parts.port == 465,
        requires_tls=requires,
        ignores_tls=ignores,
        server_name=last.get("tls.servername") or last.get("servername"),
        own_name=last.get("name"),
        local_address=last.get("localaddress"),
        doubts=tuple(_doubts(given)),
    )


def _parameters(parts: SplitResult) -> dict[str, list[str]]:
    """The values by the name in lower case; one that stands alone is on."""
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError("smtp://user:password@host:port?name=value, with nothing else")
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        _require_known(name)
        given.setdefault(name.strip().lower(), []).append(value.strip() or "true")
    return given


def _require_known(name: str) -> None:
    known = name.strip().lower()
    if known not in _SUPPORTED | _WITHOUT_EFFECT and not known.startswith("tls."):
        raise ValueError(
            f"smtp://… or smtps://… with no parameters but {', '.join(SUPPORTED)}, and those of "
            "nodemailer that docs/configuration.md lists as without effect"
        )


def _is_on(given: dict[str, list[str]], name: str) -> bool:
    """Whether any value is true: for JavaScript, which Langfuse asks, ``1`` and ``True`` are."""
    return any(value.lower() not in _FALSE for value in given.get(name, ()))


def _doubts(given: dict[str, list[str]]) -> Iterator[str]:
    if _is_on(given, "ignoretls"):
        yield "`ignoreTLS` sends password and link in clear text"
    if "tls.rejectunauthorized" in given and not _is_on(given, "tls.rejectunauthorized"):
        yield (
            "`tls.rejectUnauthorized=false` has no effect: certificates are always verified; name "
            "the server's authority in LF_EXPORT_SMTP_CA_FILE"
        )
    for name in given:
        if name.startswith("tls.") and name not in _SUPPORTED:
            yield f"`{name}` has no effect: TLS is as this machine's OpenSSL has it"
