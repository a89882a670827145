"""What a real Postgres answers to a sign-in that cannot be, and that no password is in it."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services

PASSWORD = "correct-horse"  # of roles that live as long as this module
WRONG = "wrong-staple"


@dataclass(frozen=True, slots=True)
class Roles:
    """Roles with the same password: one that may sign in, one without LOGIN, one without room."""

    usual: str
    without_login: str
    without_room: str


@pytest.fixture(scope="module")
def roles(stack: LocalStack) -> Iterator[Roles]:
    made = Roles(*(f"sign_in_{secrets.token_hex(4)}" for _ in range(3)))
    with postgres_transaction(stack.addresses()) as connection:
        cursor = connection.cursor()
        for role, attribute in (
            (made.usual, "LOGIN"),
            (made.without_login, "NOLOGIN"),
            (made.without_room, "LOGIN CONNECTION LIMIT 0"),
        ):
            cursor.execute(f"CREATE ROLE {role} {attribute} PASSWORD %s", (PASSWORD,))
    yield made
    with postgres_transaction(stack.addresses()) as connection:
        for role in (made.usual, made.without_login, made.without_room):
            connection.cursor().execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def refusal(stack: LocalStack, url: str) -> ExportError:
    """The error of the first question to a database at this address."""
    settings = Settings.load({**stack.environment(), "DATABASE_URL": url})
    with pytest.raises(ExportError) as caught, closing(LangfusePostgres(settings)) as database:
        database.reader.rows(Statement(store=Store.POSTGRES, sql="SELECT 1"))
    for secret in (PASSWORD, WRONG):
        assert secret not in str(caught.value)
    return caught.value


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries to get in, and how; the rest of the URL is the right one."""

    user: str = "usual"
    password: str = PASSWORD
    path: str = ""
    parameters: str = ""


BAD_OPTION = "correct `options` in DATABASE_URL"
REFUSED = [
    (Attempt(password=WRONG), "refuses the sign-in", "password authentication failed"),
    (Attempt("nobody"), "refuses the sign-in", 'user "nobody"'),
    (Attempt(password=""), "asks for a password", "no password supplied"),
    (Attempt(path="/nowhere"), "does not have this database", '"nowhere" does not exist'),
    (Attempt("without_login"), "name another user", "not permitted to log in"),
    (Attempt(parameters="?options=-cfoo"), BAD_OPTION, "-c foo requires a value"),
    (Attempt(parameters="?options=-cfoo%3D1"), BAD_OPTION, "unrecognized configuration"),
    (Attempt(parameters="?options=--foo"), BAD_OPTION, "--foo requires a value"),
    (Attempt(parameters="?sslmode=Require"), "does not speak TLS", ""),
    (Attempt(parameters="?sslmode=no-verify"), "does not speak TLS", ""),
]


@pytest.mark.parametrize(("attempt", "means", "words"), REFUSED)
def test_a_server_that_does_not_let_us_in_is_said_with_its_own_words(
    stack: LocalStack, roles: Roles, attempt: Attempt, means: str, words: str
) -> None:
    error = refusal(stack, url_of(stack, roles, attempt))
    assert type(error) is ConfigurationError
    assert means in str(error)
    assert words in str(error)


def test_a_server_without_room_for_one_more_may_have_some_later(
    stack: LocalStack, roles: Roles
) -> None:
    error = refusal(stack, url_of(stack, roles, Attempt("without_room")))
    assert type(error) is TransientError
    assert "no connection left (too many connections for role" in str(error)


def url_of(stack: LocalStack, roles: Roles, attempt: Attempt) -> str:
    """The address for one attempt to get in."""
    parts = urlsplit(stack.addresses().database_url)
    secret = f":{attempt.password}" if attempt.password else ""
    name, path = getattr(roles, attempt.user, attempt.user), attempt.path or parts.path
    host = f"{parts.hostname}:{parts.port}"
    return f"postgresql://{name}{secret}@{host}{path}{attempt.parameters}"


@pytest.mark.long  # a server that is none is waited for
def test_an_address_at_which_there_is_no_postgres_is_said(stack: LocalStack) -> None:
    web = stack.addresses().clickhouse_port
    refused = refusal(stack, f"postgresql://a:{PASSWORD}@127.0.0.1:9/c")
    unknown = refusal(stack, f"postgresql://a:{PASSWORD}@postgres.invalid/c")
    another = refusal(stack, f"postgresql://a:{PASSWORD}@127.0.0.1:{web}/c")
    assert isinstance(refused, TransientError)
    assert "nothing listens there (Connection refused)" in str(refused)
    assert isinstance(unknown, TransientError)
    assert "check the host in DATABASE_URL" in str(unknown)
    assert isinstance(another, ExportError)
    assert "DATABASE_URL" in str(another) or "closed the connection" in str(another)


def test_a_server_that_takes_no_changes_is_said_to_be_no_primary(stack: LocalStack) -> None:
    url = f"{stack.addresses().database_url}?options=-cdefault_transaction_read_only%3Don"
    settings = Settings.load({**stack.environment(), "DATABASE_URL": url})
    with (
        closing(LangfusePostgres(settings)) as database,
        pytest.raises(TransientError) as caught,
    ):
        database.exports.cancel("no-such-export")
    assert "must lead to the primary server" in str(caught.value)
    assert "read-only transaction" in str(caught.value)


def test_user_who_may_only_read_is_told_apart_from_a_replica(
    stack: LocalStack, roles: Roles
) -> None:
    with postgres_transaction(stack.addresses()) as connection:
        read_only = f"ALTER ROLE {roles.usual} SET default_transaction_read_only = on"
        connection.cursor().execute(f"{read_only}; GRANT UPDATE ON batch_exports TO {roles.usual}")
    parts = urlsplit(stack.addresses().database_url)
    url = parts._replace(netloc=f"{roles.usual}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}")
    settings = Settings.load({**stack.environment(), "DATABASE_URL": url.geturl()})
    with (
        closing(LangfusePostgres(settings)) as database,
        pytest.raises(TransientError, match="default_transaction_read_only be off"),
    ):
        database.exports.touch("nothing", "nobody")
