"""URLs and files as values of settings."""

import ssl
from collections.abc import Callable
from typing import Annotated
from unicodedata import category
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

from lf_export_pipeline.core.request.column_groups import forbidden_columns
from lf_export_pipeline.core.tables import column_names
from lf_export_pipeline.settings.addresses import http_address
from lf_export_pipeline.settings.clickhouse_url import clickhouse_url
from lf_export_pipeline.settings.smtp_url import smtp_url


def credential() -> AfterValidator:
    """Accepts texts without control characters, with which HTTP clients write no header."""

    def check(value: str | SecretStr) -> str | SecretStr:
        if any(category(character) == "Cc" for character in _text_of(value)):
            raise PydanticCustomError("url", "text without line breaks and control characters")
        return value

    return AfterValidator(check)


def url_of(*schemes: str) -> AfterValidator:
    """Accepts URLs of these schemes; never repeats the value, which may hold a password.

    An ``@`` behind the host belongs to a password that is not percent-encoded: of that one, a part
    would be taken for the host, looked up, and quoted by errors.
    """

    def check(value: str | SecretStr) -> str | SecretStr:
        try:
            parts = urlsplit(_text_of(value))
            sound = parts.scheme in schemes and bool(parts.hostname or "postgres" in parts.scheme)
            sound = sound and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
            _ = parts.port
        except ValueError:
            sound = False
        if not sound:
            wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
            raise PydanticCustomError("url", "{wanted}", {"wanted": wanted + _advice(value)})
        return value

    return AfterValidator(check)


def _advice(value: str | SecretStr) -> str:
    """What to do about a password that breaks the URL."""
    if "@" not in _text_of(value):
        return ""
    return "; percent-encode special characters in user and password, such as `#` as `%23`"


def bucket_service() -> AfterValidator:
    """The address of a bucket's service as Langfuse's client sends it, without a query.

    One with a user is rejected and never repeated: the address is in every link and in the errors
    of its client, and the access key says who signs in.
    """

    def check(value: str) -> str:
        try:
            parts = http_address(value)
        except ValueError:
            raise PydanticCustomError("url", "http://… or https://…") from None
        if "@" in parts.netloc:
            raise PydanticCustomError("url", "http://… or https://… without user and password")
        return parts._replace(query="").geturl()

    return AfterValidator(check)


def clickhouse_server() -> AfterValidator:
    """Accepts URLs that Langfuse's ClickHouse client accepts; never repeats the value."""
    return _readable(clickhouse_url)


def mail_server() -> AfterValidator:
    """Accepts URLs in which every parameter is understood; never repeats the value."""
    return _readable(lambda url: url if url.startswith("ses://") else smtp_url(url))


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """Accepts what can be read; a ValueError says what is expected in its place."""

    def check(value: str | SecretStr) -> str | SecretStr:
        try:
            read(_text_of(value))
        except UnicodeError:
            raise PydanticCustomError("url", "the name of a host that can exist") from None
        except ValueError as error:
            raise PydanticCustomError("url", "{wanted}", {"wanted": str(error)}) from None
        return value

    return AfterValidator(check)


def _text_of(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def broker() -> AfterValidator:
    """Accepts a Redis whose certificate and name, with TLS, Celery will verify."""
    with_tls = "rediss://…?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/path/ca.pem"

    def check(value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        asked = dict(parse_qsl(parts.query))
        verified = (
            asked.get("ssl_cert_reqs") in ("CERT_REQUIRED", "required")
            and asked.get("ssl_check_hostname", "true").lower() == "true"
        )
        if not (parts.scheme == "redis" or (parts.scheme == "rediss" and verified)):
            raise PydanticCustomError("url", f"redis://… or, with TLS, {with_tls}")
        return value

    return AfterValidator(check)


def column_lists() -> AfterValidator:
    """Accepts lists of columns by project, of columns that exist."""

    def check(value: str) -> str:
        try:
            forbidden_columns(value, column_names())
        except ValueError as error:
            raise PydanticCustomError("url", "{wanted}", {"wanted": str(error)}) from None
        return value

    return AfterValidator(check)


HttpUrl = Annotated[str, url_of("http", "https")]
ClickHouseAddress = Annotated[HttpUrl, clickhouse_server()]
PublicUrl = Annotated[HttpUrl, bucket_service()]


def authorities() -> AfterValidator:
    """Accepts the paths of PEM files that can be read, as those who verify certificates do."""

    def check(value: str) -> str:
        if not is_pem_file(value):
            raise PydanticCustomError("url", "the path of a PEM file with certificates")
        return value

    return AfterValidator(check)


def is_pem_file(path: str) -> bool:
    """Whether there is a file of certificates that can be read."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:  # a file that is not PEM raises one of these, too
        return False
    return True
