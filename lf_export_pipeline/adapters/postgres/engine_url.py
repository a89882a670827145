"""DATABASE_URL, which is written for Prisma, as what libpq understands."""

from urllib.parse import parse_qsl, unquote, urlsplit

import sqlalchemy as sa

_PASSED_ON = {"sslmode", "connect_timeout", "application_name", "options", "host", "sslrootcert"}


def engine_url(database_url: str) -> sa.URL:
    """The URL for SQLAlchemy and psycopg2.

    Prisma's parameters that mean something to libpq are translated (``schema``, ``sslcert``,
    ``sslaccept``); those about Prisma's own pool (``connection_limit``, …) are dropped.
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


def _libpq_parameters(given: dict[str, str]) -> dict[str, str]:
    passed = {name: value for name, value in given.items() if name in _PASSED_ON and value}
    if given.get("sslcert"):  # Prisma: the certificate of the server's authority
        passed["sslrootcert"] = given["sslcert"]
    if given.get("sslaccept") == "strict":
        passed["sslmode"] = "verify-full"
        passed.setdefault("sslrootcert", "system")
    schema = given.get("schema", "public")
    if schema != "public":  # poolers refuse start-up options, so none without need
        quoted = schema.replace("\\", "\\\\").replace(" ", "\\ ")
        passed["options"] = f"{passed.get('options', '')} -csearch_path={quoted}".strip()
    return passed
