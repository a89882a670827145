"""URLs and files as values of settings."""

import ssl
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError


def url_of(*schemes: str) -> AfterValidator:
    """Accepts URLs of these schemes; never repeats the value, which may hold a password."""

    def check(value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            parts = urlsplit(text)
            sound = parts.scheme in schemes and bool(parts.hostname or "postgres" in parts.scheme)
            _ = parts.port
        except ValueError:
            sound = False
        if not sound:
            raise PydanticCustomError("url", " or ".join(f"{scheme}://…" for scheme in schemes))
        return value

    return AfterValidator(check)


HttpUrl = Annotated[str, url_of("http", "https")]


def authorities() -> AfterValidator:
    """Accepts the paths of PEM files that can be read, as those who verify certificates do."""

    def check(value: str) -> str:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
        except OSError:  # a file that is not PEM raises one of these, too
            raise PydanticCustomError("url", "the path of a PEM file with certificates") from None
        return value

    return AfterValidator(check)
