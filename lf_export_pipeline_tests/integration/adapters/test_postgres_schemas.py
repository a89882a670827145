"""The schema of Langfuse's tables is the one that DATABASE_URL names, as for Prisma."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, urlsplit

import pytest

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services

ROW = """
    INSERT INTO {schema}.batch_exports
        (id, project_id, user_id, created_at, updated_at, name, status, format, query)
    VALUES (%s, 'p', 'u', now(), now(), 'n', 'QUEUED', 'CSV', '{{}}')
"""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def word() -> str:
    return secrets.token_hex(4)


@pytest.fixture
def elsewhere(stack: LocalStack, word: str) -> Iterator[str]:
    """The address of a user whose own search_path leads to nothing."""
    role = f"schemas_{word}"
    with postgres_transaction(stack.addresses()) as connection:
        for statement in (
            f"CREATE ROLE {role} LOGIN PASSWORD '{word}'",
            f"ALTER ROLE {role} SET search_path = nowhere",
            f"GRANT SELECT, UPDATE ON batch_exports TO {role}",
        ):
            connection.cursor().execute(statement)
    parts = urlsplit(stack.addresses().database_url)
    host = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{role}:{word}@{host}", query="").geturl()
    with postgres_transaction(stack.addresses()) as connection:
        connection.cursor().execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(
    "name",
    ["langfuse", "LangFuse", "lang fuse", "lang,fuse", "lang-fuse", 'a"b', "a'b", "50%", "a\\b"],
)
def test_a_schema_may_have_any_name(stack: LocalStack, word: str, name: str) -> None:
    schema = f"{name}{word}"
    with postgres_transaction(stack.addresses()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE SCHEMA {quoted(schema)}")
        cursor.execute(
            f"CREATE TABLE {quoted(schema)}.batch_exports (LIKE public.batch_exports INCLUDING ALL)"
        )
        cursor.execute(ROW.format(schema=quoted(schema)).replace("50%", "50%%"), (word,))
    url = f"{stack.addresses().database_url}?schema={quote(schema)}"
    try:
        with closing(LangfusePostgres(settings_at(stack, url))) as database:
            assert database.exports.get(word) is not None
            assert database.exports.start(word, "run")
    finally:
        with postgres_transaction(stack.addresses()) as connection:
            connection.cursor().execute(f"DROP SCHEMA {quoted(schema)} CASCADE")


def test_public_is_meant_if_it_is_named(stack: LocalStack, elsewhere: str) -> None:
    with closing(LangfusePostgres(settings_at(stack, f"{elsewhere}?schema=public"))) as database:
        assert database.exports.get("nothing") is None
        assert not database.exports.start("nothing", "run")


def test_who_names_no_schema_hears_of_it(stack: LocalStack, elsewhere: str) -> None:
    with (
        closing(LangfusePostgres(settings_at(stack, elsewhere))) as database,
        pytest.raises(ConfigurationError, match="`schema=public`"),
    ):
        database.exports.get("nothing")


def settings_at(stack: LocalStack, url: str) -> Settings:
    return Settings.load({**stack.environment(), "DATABASE_URL": url})
