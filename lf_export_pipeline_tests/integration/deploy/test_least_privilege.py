"""Exports with exactly the rights that ``deploy/`` grants: they suffice, and nothing more works."""

import json
import re
import secrets
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import dagster as dg
import psycopg2
import pyarrow as pa
import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError
from click.testing import CliRunner
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from psycopg2.errors import InsufficientPrivilege
from pydantic import SecretStr

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.doctor import Check, run_checks
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import resources_on
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.schedules.queueing import Done, Queueing
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.deploy.restricted import (
    DEPLOY,
    KEY,
    Restricted,
    granted,
    optional_grant,
    restricted,
    s3_client,
)

pytestmark = pytest.mark.services

PROJECT = "restricted-project"
SIZE = SampleSize(traces=60, comments=30, dataset_items=10, audit_logs=10)
COMMENTED = {"type": "number", "column": "commentCount", "operator": ">=", "value": 1}
BOOKMARKED = {"type": "boolean", "column": "bookmarked", "operator": "=", "value": False}


@pytest.fixture(scope="module")
def access() -> Iterator[Restricted]:
    """A stack of its own: its servers are started again with other rights."""
    folder = Path(tempfile.mkdtemp(prefix="lf-export-rights-"))
    with LocalStack(folder).temporary() as stack:
        generate_sample(stack.addresses(), PROJECT, SIZE, until=datetime.now(UTC))
        with clickhouse_client(stack.addresses()) as client:
            client.command("CREATE TABLE secrets (id String) ENGINE = MergeTree ORDER BY id")
        with restricted(stack) as found:
            yield found


@pytest.fixture(scope="module")
def settings(access: Restricted) -> Settings:
    return Settings.load(access.environment)


def exported(access: Restricted, settings: Settings, table: str, **query: Any) -> ExportRow:
    """The row of an export that the real job has made with these rights."""
    row = requested_row(project=PROJECT, table=table, file_format="JSONL", user="user-ada", **query)
    everything = {"database_url": SecretStr(access.owner.database_url)}
    owner = LangfusePostgres(settings.model_copy(update=everything))
    try:
        owner.exports.add(row)
        with dg.DagsterInstance.ephemeral() as instance:
            run_export(batch_export_job(retries=None), instance, row.id, resources_on(settings))
        ended = owner.exports.get(row.id)
    finally:
        owner.close()
    assert ended
    return ended


@pytest.mark.parametrize(
    ("table", "query"),
    [
        *((table, {}) for table in table_names()),
        ("observations", {"events_table": True}),
        ("sessions", {"events_table": True}),
        ("traces", {"filters": [COMMENTED]}),
        ("sessions", {"filters": [BOOKMARKED]}),
    ],
)
def test_every_table_is_exported_with_these_rights(
    access: Restricted, settings: Settings, table: str, query: dict[str, Any]
) -> None:
    row = exported(access, settings, table, **query)

    assert (row.status, row.log) == ("COMPLETED", None)
    with urllib.request.urlopen(row.url or "", timeout=30) as answer:
        assert answer.read().count(b"\n") > 0


def test_the_requester_is_sent_an_e_mail_with_these_rights(
    access: Restricted, settings: Settings
) -> None:
    row = exported(access, settings, "traces", name="A name of its own")

    assert row.status == "COMPLETED"
    mails = [path.read_text() for path in access.owner.inbox.glob("*.eml")]
    assert sum("A name of its own" in mail for mail in mails) == 1


def test_the_doctor_finds_these_rights_good(access: Restricted, settings: Settings) -> None:
    checks = list(run_checks(settings, access.environment))

    assert [check for check in checks if not check.ok] == []
    said = {check.name: check.message for check in checks}
    assert "writes the rows of files itself" in said["ClickHouse"]
    assert "writes the rows of files itself" in said["ClickHouse, events"]


def test_every_change_of_state_is_possible_with_these_rights(
    access: Restricted, settings: Settings
) -> None:
    completed = exported(access, settings, "audit_logs")
    database = LangfusePostgres(settings)
    try:
        rows = database.exports
        assert rows.requeue(completed.id)
        assert rows.fail(completed.id, "It failed.", datetime.now(UTC))
        assert rows.requeue(completed.id)
        assert rows.cancel(completed.id)
    finally:
        database.close()


def test_the_shell_finds_projects_users_and_files_with_these_rights(
    access: Restricted, settings: Settings, tmp_path: Path
) -> None:
    completed = exported(access, settings, "audit_logs")
    cli = CliRunner(env=access.environment | {"DAGSTER_HOME": ""})

    (told,) = json.loads(cli.invoke(main, ["status", completed.id, "--json"]).stdout)
    saved = cli.invoke(main, ["download", completed.id, "-o", str(tmp_path)])
    ask = ["request", "--table", "traces", "--user", "user-ada", "--project"]
    unknown = cli.invoke(main, [*ask, PROJECT[:-1]]).stderr
    unallowed = cli.invoke(main, [*ask, PROJECT]).stderr

    assert told["who"] == "ada@example.com"
    assert saved.exit_code == 0, saved.output
    assert f"Did you mean {PROJECT}?" in unknown
    assert "GRANT INSERT (id, " in unallowed
    assert "deploy/sql/postgres_role.sql" in unallowed


def test_standing_exports_need_the_optional_right_and_no_more(
    access: Restricted, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = exported(access, settings, "audit_logs")
    cli, now = CliRunner(env=access.environment), datetime.now(UTC)
    words = ("--cron", "@hourly", "--window", "since-last", "--lag", "0")
    kept = cli.invoke(main, ["schedule", made.id, *words])
    assert kept.exit_code == 0, kept.output

    def tick() -> Done:
        with dg.DagsterInstance.get() as instance, closing(LangfusePostgres(settings)) as database:
            later = now + timedelta(hours=1)
            kept = StandingExports(instance)
            (done,) = Queueing(kept, database.exports, lambda: later).queue_due()
            return done

    def doctor() -> Check:
        checks = {one.name: one for one in run_checks(settings, access.environment)}
        return checks["standing exports"]

    refused, wrong = tick(), doctor()
    with closing(psycopg2.connect(access.owner.database_url)) as owner, owner.cursor() as cursor:
        cursor.execute(optional_grant("postgres_role.sql"))
        owner.commit()
        try:
            queued, good = tick(), doctor()
            with (
                closing(psycopg2.connect(access.environment["DATABASE_URL"])) as connection,
                connection.cursor() as restricted_cursor,
                pytest.raises(InsufficientPrivilege),
            ):
                restricted_cursor.execute("INSERT INTO batch_exports (url) VALUES ('https://x')")
        finally:
            grant = optional_grant("postgres_role.sql").replace(" TO ", " FROM ")
            cursor.execute(grant.replace("GRANT", "REVOKE"))
            owner.commit()

    assert (refused.rows, refused.is_problem, wrong.ok) == (0, True, False)
    assert "GRANT INSERT (id, project_id, " in refused.line
    assert "GRANT INSERT (id, project_id, " in wrong.message
    assert (queued.rows, queued.is_problem, good.ok) == (1, False, True)


@pytest.fixture(scope="module")
def statements(access: Restricted, settings: Settings) -> str:
    """All SQL that an export of each table sends, to Postgres and to ClickHouse."""
    seen: list[str] = []

    def note(_conn: object, _cursor: object, sql: str, *_: object) -> None:
        seen.append(sql)

    original = ClickHouseReader.batches

    def noting(
        reader: ClickHouseReader, statement: Statement
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        seen.append(statement.sql)
        return original(reader, statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClickHouseReader, "batches", noting)
        for table in table_names():
            exported(access, settings, table)
        for table in ("observations", "sessions"):
            exported(access, settings, table, events_table=True)
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    return "\n".join(seen)


@pytest.mark.parametrize("script", ["postgres_role.sql", "clickhouse_role.sql"])
def test_no_table_is_granted_that_no_export_reads(statements: str, script: str) -> None:
    grants = granted((DEPLOY / "sql" / script).read_text())
    tables = [found[1] for grant in grants if (found := re.search(r" ON (?:\w+\.)?(\w+)$", grant))]

    assert len(tables) >= 6
    assert [t for t in tables if not re.search(rf"\b{t}\b", statements) and t != "public"] == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE batch_exports SET query = '{}'",
        "UPDATE batch_exports SET user_id = 'user-grace'",
        "DELETE FROM batch_exports",
        "INSERT INTO batch_exports SELECT * FROM batch_exports",
        "SELECT password FROM users",
        "SELECT * FROM users",
        "UPDATE users SET email = 'mallory@example.com'",
        "DELETE FROM comments",
        "CREATE TABLE mine (id int)",
    ],
)
def test_postgres_refuses_everything_else(access: Restricted, sql: str) -> None:
    connection = psycopg2.connect(access.environment["DATABASE_URL"])
    try:
        with connection.cursor() as cursor, pytest.raises(InsufficientPrivilege):
            cursor.execute(sql)
    finally:
        connection.close()


def test_database_of_dagster_is_made_by_who_may_make_roles_and_databases(
    access: Restricted,
) -> None:
    """Managed servers give their customers no superuser; the names are others, as one is taken."""
    text = (DEPLOY / "sql" / "dagster_database.sql").read_text().replace("dagster", "records")
    statements = re.sub(r"^--.*$", "", text, flags=re.MULTILINE).split(";")[:-1]
    password = secrets.token_urlsafe(12)
    address = urlsplit(access.owner.postgres_url("postgres"))
    host = f"{address.hostname}:{address.port}"
    manager = "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD "
    run_alone(address.geturl(), f"{manager} '{password}'")

    passed_on = f"ALTER ROLE records PASSWORD '{password}'"
    run_alone(f"postgresql://manager:{password}@{host}/postgres", *statements, passed_on)

    run_alone(f"postgresql://records:{password}@{host}/records", "CREATE TABLE runs (id int)")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        run_alone(f"postgresql://manager:{password}@{host}/records", "SELECT 1")


def run_alone(url: str, *statements: str) -> None:
    """Each statement in a transaction of its own, as ``psql --file`` runs them."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)


@pytest.fixture
def clickhouse(access: Restricted) -> Iterator[Client]:
    with clickhouse_connect.get_client(
        dsn=access.environment["CLICKHOUSE_URL"],
        username=access.environment["CLICKHOUSE_USER"],
        password=access.environment["CLICKHOUSE_PASSWORD"],
        autogenerate_session_id=False,
    ) as client:
        yield client


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secrets",
        "INSERT INTO traces (id) VALUES ('x')",
        "ALTER TABLE traces DELETE WHERE 1",
        "TRUNCATE TABLE traces",
        "DROP TABLE traces",
        "CREATE TABLE mine (id String) ENGINE = MergeTree ORDER BY id",
        "SELECT * FROM url('http://127.0.0.1:9/', 'CSV', 'id String')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:9/bucket/key', 'CSV', 'id String')",
        "SELECT * FROM traces SETTINGS readonly = 0",
        "SELECT * FROM traces SETTINGS max_memory_usage = 100000000000",
    ],
)
def test_clickhouse_refuses_everything_else(clickhouse: Client, sql: str) -> None:
    with pytest.raises(DatabaseError, match=r"497|164|452"):
        clickhouse.command(sql)


def test_every_statement_for_clickhouse_is_one_that_it_can_parse(clickhouse: Client) -> None:
    script = re.sub(r"^--.*$", "", (DEPLOY / "sql" / "clickhouse_role.sql").read_text(), flags=re.M)
    statements = [text.strip() for text in script.split(";") if text.strip()]

    assert len(statements) == 8
    for text in statements:
        clickhouse.query("SELECT formatQuery({sql:String})", parameters={"sql": text})


@pytest.mark.parametrize(
    ("request_name", "arguments"),
    [
        ("put_object", {"Bucket": "langfuse-exports", "Key": "elsewhere/a", "Body": b""}),
        ("put_object_acl", {"Bucket": "langfuse-exports", "Key": "exports/a", "ACL": "private"}),
        ("delete_bucket", {"Bucket": "langfuse-exports"}),
        ("get_object", {"Bucket": "readiness", "Key": "ready"}),
        ("list_objects_v2", {"Bucket": "readiness"}),
        ("list_objects_v2", {"Bucket": "langfuse-exports"}),
        ("create_bucket", {"Bucket": "another"}),
    ],
)
def test_the_bucket_refuses_everything_else(
    access: Restricted, request_name: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(s3_client(access.environment), request_name)(**arguments)


def test_unfinished_uploads_can_be_found_and_aborted(access: Restricted) -> None:
    s3, bucket = s3_client(access.environment), access.environment[f"{KEY}_BUCKET"]
    s3.create_multipart_upload(Bucket=bucket, Key="exports/unfinished")

    (upload,) = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
