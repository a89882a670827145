"""``lf-export requeue`` on the real table."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.long]

PROJECT = f"requeue-{secrets.token_hex(4)}"


@pytest.fixture
def database(isolated_stack: LocalStack) -> Iterator[LangfusePostgres]:
    connected = LangfusePostgres(Settings.load(dict(isolated_stack.environment())))
    yield connected
    with connected.engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM batch_exports WHERE project_id = :project"), {"project": PROJECT}
        )
    connected.close()


@pytest.fixture
def failed(database: LangfusePostgres) -> str:
    row = requested_row(project=PROJECT, table="traces", file_format="CSV")
    database.exports.add(replace(row, status="FAILED", log="The bucket [red] was full."))
    return row.id


def call(isolated_stack: LocalStack, *arguments: str) -> Result:
    environment = {**isolated_stack.environment(), "COLUMNS": "200"}
    words = ["requeue", "--project", PROJECT, *arguments]
    return CliRunner().invoke(main, words, env=environment)


def status(database: LangfusePostgres, export_id: str) -> tuple[str, str | None]:
    row = database.exports.get(export_id)
    assert row is not None
    return row.status, row.log


def test_without_being_told_to_nothing_is_queued(
    isolated_stack: LocalStack, database: LangfusePostgres, failed: str
) -> None:
    result = call(isolated_stack, "--error", "full")

    assert result.exit_code == 0, result.output
    assert failed in result.output
    assert "[red]" in result.output
    assert "1 would be requeued. The same with --do-it requeues." in result.output
    assert status(database, failed)[0] == "FAILED"


def test_programs_are_told_in_json_or_in_lines_with_tabs(
    isolated_stack: LocalStack, failed: str
) -> None:
    (told,) = json.loads(call(isolated_stack, "--json").stdout)
    assert (told["export"], told["outcome"]) == (failed, "would be requeued")
    heading, line = call(isolated_stack).stdout.splitlines()
    assert dict(zip(heading.split("\t"), line.split("\t"), strict=True)) == told


def test_failed_exports_are_queued_when_told_to(
    isolated_stack: LocalStack, database: LangfusePostgres, failed: str
) -> None:
    assert (
        "No failed export matches." in call(isolated_stack, "--table", "scores", "--do-it").output
    )

    result = call(isolated_stack, failed, "--do-it")

    assert "1 requeued." in result.output
    assert status(database, failed) == ("QUEUED", None)


def test_ids_that_match_no_failed_export_are_named(isolated_stack: LocalStack, failed: str) -> None:
    result = call(isolated_stack, failed, "nope")

    assert "1 would be requeued." in result.output
    assert "`lf-export status` says what became of 'nope'." in result.output
    assert result.exit_code == 1


def test_instant_that_cannot_be_read_ends_with_an_error(isolated_stack: LocalStack) -> None:
    result = call(isolated_stack, "--since", "yesterday")

    assert result.exit_code == 1
    assert "since is not a valid time" in result.output
