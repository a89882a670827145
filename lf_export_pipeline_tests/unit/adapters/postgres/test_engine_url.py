import pytest

from lf_export_pipeline.adapters.postgres.engine_url import engine_url
from lf_export_pipeline.core.errors import ConfigurationError


def query(parameters: str) -> dict[str, object]:
    return dict(engine_url(f"postgresql://u:p@h:5433/langfuse?{parameters}").query)


def test_the_parts_of_the_address_are_decoded() -> None:
    url = engine_url("postgres://us%40er:p%2Fw%3A@db.test:5433/lang%20fuse")
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password) == ("us@er", "p/w:")
    assert (url.host, url.port, url.database) == ("db.test", 5433, "lang fuse")


def test_a_socket_directory_is_passed_on() -> None:
    assert engine_url("postgresql://u@/langfuse?host=/run/pg").query["host"] == "/run/pg"


@pytest.mark.parametrize(
    "parameters",
    [
        "connection_limit=5",
        "pgbouncer=true&pool_timeout=0",
        "schema=public",
        "schema=lang%20fuse",
        "statement_cache_size=0",
    ],
)
def test_what_concerns_prisma_alone_is_dropped(parameters: str) -> None:
    assert query(parameters) == {}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("sslmode=require", {"sslmode": "require"}),
        ("sslmode=Require", {"sslmode": "require"}),
        ("sslmode=VERIFY-FULL", {"sslmode": "verify-full"}),
        ("sslmode=no-verify", {"sslmode": "require"}),
        ("sslmode=no-verify&sslcert=/ca.pem", {"sslmode": "require"}),
        ("sslmode=no-verify&sslaccept=strict", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("sslcert=/ca.pem", {"sslrootcert": "/ca.pem"}),
        ("sslaccept=strict", {"sslmode": "verify-full", "sslrootcert": "system"}),
        (
            "sslaccept=strict&sslcert=/ca.pem",
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem"},
        ),
        ("schema=a&options=-cgeqo%3Doff", {"options": "-cgeqo=off"}),
    ],
)
def test_what_libpq_calls_otherwise_is_translated(
    parameters: str, expected: dict[str, str]
) -> None:
    assert query(parameters) == expected


@pytest.mark.parametrize("mode", ["required", "on", "strict", "true"])
def test_an_sslmode_that_nobody_understands_is_refused_with_those_there_are(mode: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        query(f"sslmode={mode}")
    assert str(caught.value) == (
        f"sslmode in DATABASE_URL is {mode!r}; write one of disable, allow, prefer, require, "
        "verify-ca, verify-full."
    )
