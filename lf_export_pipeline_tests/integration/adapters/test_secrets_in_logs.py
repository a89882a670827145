"""What a Postgres that logs every statement, and is else as delivered, has of a link."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.test_exports_contract import row

pytestmark = pytest.mark.services

NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
AWKWARD = "\\.\ttab\nline\rreturn \\N é"


@pytest.fixture
def logged(settings: Settings) -> Iterator[LangfusePostgres]:
    """Connections whose every statement is in the server's log; locks are waited for briefly."""
    database = LangfusePostgres(settings)

    @sa.event.listens_for(database.engine, "connect")
    def log_all(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET log_min_duration_statement = 0")
            cursor.execute("SET log_statement = 'all'")
            cursor.execute("SET lock_timeout = '50ms'")
        connection.commit()

    yield database
    database.close()


@pytest.fixture
def working(logged: LangfusePostgres) -> Iterator[ExportRow]:
    """An export that is PROCESSING."""
    new = row("PROCESSING")
    logged.exports.add(new)
    yield new
    with logged.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM batch_exports WHERE id = :id"), {"id": new.id})


@pytest.fixture
def link() -> str:
    return f"https://bucket.example/a%20b.csv?X-Amz-Signature={secrets.token_hex(16)}"


def complete(database: LangfusePostgres, export: ExportRow, link: str) -> bool:
    return database.exports.complete(
        export.id, "owner", link, finished_at=NOW, expires_at=NOW, log=None
    )


def assert_unlogged(stack: LocalStack, link: str, export: ExportRow) -> None:
    """The log has the statements about the export, and nothing of the link's signature."""
    log = (stack.state_dir / "logs" / "postgres.log").read_text(errors="replace")
    assert export.id in log
    assert link.rpartition("=")[2] not in log


def test_a_published_link_is_in_no_line_of_the_servers_log(
    stack: LocalStack, logged: LangfusePostgres, working: ExportRow, link: str
) -> None:
    assert complete(logged, working, link)
    assert_unlogged(stack, link, working)
    found = logged.exports.get(working.id)
    assert found is not None
    assert (found.status, found.url) == ("COMPLETED", link)


def test_a_link_whose_publishing_fails_is_in_no_line_of_the_servers_log(
    stack: LocalStack, logged: LangfusePostgres, working: ExportRow, link: str
) -> None:
    with logged.engine.begin() as other:
        held = sa.text("SELECT 1 FROM batch_exports WHERE id = :id FOR UPDATE")
        other.execute(held, {"id": working.id})
        with pytest.raises(TransientError) as failed:
            complete(logged, working, link)
    assert link not in str(failed.value.__cause__)
    assert_unlogged(stack, link, working)
    assert complete(logged, working, link)


def test_a_link_of_any_characters_is_published_as_it_is(
    logged: LangfusePostgres, working: ExportRow
) -> None:
    assert complete(logged, working, AWKWARD)
    found = logged.exports.get(working.id)
    assert found is not None
    assert (found.status, found.url) == ("COMPLETED", AWKWARD)
