"""DATABASE_URL, which is written for Prisma, as what libpq understands."""

from urllib.parse import parse_qsl, unquote, urlsplit

import sqlalchemy as sa

from lf_export_pipeline.core.errors import ConfigurationError

_NO_VERIFY = "no-verify"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PASSED_ON = {"sslmode", "connect_timeout", "application_name", "options", "host", "sslrootcert"}


def engine_url(database_url: str) -> sa.URL:
    """The URL for SQLAlchemy and psycopg2.

    Prisma's parameters that mean something to libpq are translated (``sslcert``, ``sslaccept``);
    those about Prisma's own pool (``connection_limit``, …) are dropped.

    Raises:
        ConfigurationError: It asks for TLS in words that nobody understands.
    """
    parts = urlsplit(database_url)
    given = dict(parse_qsl(parts.query))
    return sa.URL.create(
        "postgresql+psycopg2",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        host=unquote(parts.hostname) if parts.hostname else None,
        port=parts.port,
        database=unquote(parts.path.removeprefix("/")) or None,
        query=_libpq_parameters(given),
    )


def schema_of(database_url: str) -> str | None:
    """The schema that the URL names; None: the user's own search_path says where tables are."""
    return dict(parse_qsl(urlsplit(database_url).query)).get("schema")


def _libpq_parameters(given: dict[str, str]) -> dict[str, str]:
    passed = {name: value for name, value in given.items() if name in _PASSED_ON and value}
    is_unverified = passed.get("sslmode", "").lower() == _NO_VERIFY
    if "sslmode" in passed:
        passed["sslmode"] = _ssl_mode(passed["sslmode"])
    if given.get("sslcert"):  # Prisma: the certificate of the server's authority
        passed["sslrootcert"] = given["sslcert"]
    if given.get("sslaccept") == "strict":
        passed["sslmode"] = "verify-full"
        passed.setdefault("sslrootcert", "system")
    elif is_unverified:  # libpq verifies as soon as it is given authorities
        passed.pop("sslrootcert", None)
    return passed


def _ssl_mode(value: str) -> str:
    """The word that libpq has for it.

    Prisma takes every word that it does not know, and each in capitals, for ``prefer``; but whoever
    wrote ``Require`` or node-postgres' ``no-verify`` wants no password to go in clear.
    """
    mode = value.strip().lower()
    if mode == _NO_VERIFY:
        return "require"
    if mode not in _SSL_MODES:
        raise ConfigurationError(
            f"sslmode in DATABASE_URL is {value!r}; write one of {', '.join(_SSL_MODES)}."
        )
    return mode
