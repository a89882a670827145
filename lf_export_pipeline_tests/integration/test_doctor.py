"""The doctor on a good installation, and on one that lacks one thing."""

import json
import logging
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.cli.doctor import doctor, run_checks
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services

S3 = "LANGFUSE_S3_BATCH_EXPORT"
ALSO_BAD = {
    "CLICKHOUSE_DB": ("ClickHouse, events", "write mode"),
    "CLICKHOUSE_EVENTS_READ_ONLY_URL": ("write mode",),
}
"""What is not good, or not known, either."""


@pytest.fixture
def environment(stack: LocalStack, tmp_path: Path) -> dict[str, str]:
    return dict(stack.environment()) | {"LF_EXPORT_SPOOL": str(tmp_path / "spool")}


def test_a_good_installation_is_good_in_every_part(environment: dict[str, str]) -> None:
    checks = list(run_checks(Settings.load(environment), environment))
    assert [check for check in checks if not check.ok] == []
    assert len(checks) == 9


def test_the_doctor_speaks_json_to_programs(environment: dict[str, str]) -> None:
    changed = environment | {f"{S3}_ENABLED": "false"}

    result = CliRunner(env=changed).invoke(doctor, ["--json"])

    checks = {one["name"]: one for one in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert len(checks) == 10
    assert checks["settings"] == {"name": "settings", "ok": True, "message": "read"}
    assert not checks["S3"]["ok"]
    assert f"{S3}_ENABLED" in checks["S3"]["message"]


def test_a_lake_is_tried_where_there_is_one(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    for url in (f"file://{folder}", f"s3://{environment[f'{S3}_BUCKET']}/lake-of-the-doctor"):
        settings = Settings.load(environment | {"LF_EXPORT_LAKE_URL": url})
        *_, found = run_checks(settings, environment)
        said = "an object was written, read, listed and deleted"
        assert (found.name, found.ok, found.message) == ("lake", True, said)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("clickhouse", "it writes the rows of files itself"),
        ("arrow", "rows are serialised here (LF_EXPORT_ROWS)"),
    ],
)
def test_the_doctor_says_who_makes_the_rows(
    environment: dict[str, str], way: str, said: str
) -> None:
    settings = Settings.load(environment | {"LF_EXPORT_ROWS": way})
    checks = {check.name: check for check in run_checks(settings, environment)}
    for name in ("ClickHouse", "ClickHouse, events"):
        assert checks[name].message.endswith(said)


def test_the_doctor_leaves_nothing_behind(environment: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.load(environment)
    assert all(check.ok for check in run_checks(settings, environment))
    store = S3ObjectStore(settings)
    found = store._client.list_objects_v2(Bucket=store.bucket).get("Contents", [])
    assert [one["Key"] for one in found if "doctor" in one["Key"]] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("variable", "value", "part", "says"),
    [
        ("DATABASE_URL", "postgresql://a:b@127.0.0.1:9/c", "Postgres", "nothing listens"),
        ("CLICKHOUSE_DB", "nowhere", "ClickHouse", "CLICKHOUSE_DB"),
        ("CLICKHOUSE_EVENTS_READ_ONLY_URL", "http://127.0.0.1:9", "ClickHouse, events", "EVENTS"),
        (f"{S3}_ENABLED", "false", "S3", f"{S3}_ENABLED"),
        (f"{S3}_EXTERNAL_ENDPOINT", "http://127.0.0.1:9", "S3", "EXTERNAL_ENDPOINT"),
        (f"{S3}_SECRET_ACCESS_KEY", "wrong", "S3", f"{S3}_SECRET_ACCESS_KEY"),
        ("SMTP_CONNECTION_URL", "smtp://127.0.0.1:9", "e-mail", "host and port in SMTP"),
        ("LF_EXPORT_LAKE_URL", "file:///dev/null/lake", "lake", "LF_EXPORT_LAKE_URL"),
        ("LF_EXPORT_LAKE_CRON", "every hour", "lake", "LF_EXPORT_LAKE_CRON: 'every hour' is not a"),
        ("LF_EXPORT_LAKE_TABLES", "trace", "lake", "LF_EXPORT_LAKE_TABLES"),
        ("LF_EXPORT_SPOOL", "/dev/null/spool", "spool", "LF_EXPORT_SPOOL"),
        ("DAGSTER_POSTGRES_HOST", "", "Dagster storage", "DAGSTER_POSTGRES_HOST not set"),
        ("DAGSTER_POSTGRES_PASSWORD", "wrong", "Dagster storage", "Cannot sign in"),
        ("DAGSTER_POSTGRES_PORT", "many", "Dagster storage", "DAGSTER_POSTGRES_PORT"),
    ],
)
def test_one_bad_part_is_named_with_what_to_do_and_the_others_stay_good(  # noqa: PLR0917 - of the table
    environment: dict[str, str], tmp_path: Path, variable: str, value: str, part: str, says: str
) -> None:
    lake = {"LF_EXPORT_LAKE_URL": f"file://{tmp_path}"} if "_LAKE_" in variable else {}
    changed = environment | lake | {variable: value}
    bad = [check for check in run_checks(Settings.load(changed), changed) if not check.ok]
    names = {check.name for check in bad}
    assert names == {part, *ALSO_BAD.get(variable, ())}
    assert says in bad[0].message


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CLICKHOUSE_URL", "http://127.0.0.1:9", "not known. ClickHouse did not answer in full"),
        ("CLICKHOUSE_PASSWORD", "wrong", "not known, since ClickHouse lets none of the tables"),
    ],
)
def test_write_mode_is_not_known_where_clickhouse_cannot_be_asked(
    environment: dict[str, str], variable: str, value: str, says: str
) -> None:
    changed = environment | {variable: value}
    checks = {check.name: check for check in run_checks(Settings.load(changed), changed)}
    assert not checks["ClickHouse"].ok
    assert not checks["write mode"].ok
    assert checks["write mode"].message.startswith(says)


def test_client_of_a_server_that_is_away_adds_nothing_to_the_lines(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogger("clickhouse_connect").level
    away = environment | {"CLICKHOUSE_URL": "http://127.0.0.1:9"}

    result = CliRunner(env=away).invoke(doctor)

    assert "wrong  ClickHouse  " in result.stdout
    assert result.stderr == ""
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert logging.getLogger("clickhouse_connect").level == before


def test_a_postgres_elsewhere_that_is_not_verified_is_good_with_a_warning(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is one that nobody has; libpq takes the address from its own variable."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGSSLMODE", "allow")
    elsewhere = environment | {
        "DATABASE_URL": environment["DATABASE_URL"].replace("127.0.0.1", "postgres.invalid"),
        "DAGSTER_POSTGRES_HOST": "postgres.invalid",
    }
    checks = {check.name: check for check in run_checks(Settings.load(elsewhere), elsewhere)}
    for name, place in (("Postgres", "DATABASE_URL"), ("Dagster storage", "dagster.yaml")):
        assert checks[name].ok, checks[name].message
        assert "with sslmode=allow its certificate" in checks[name].message
        assert checks[name].message.endswith(place)


@pytest.mark.parametrize(("mode", "is_warned_of"), [(0o755, True), (0o710, True), (0o700, False)])
def test_a_spool_that_was_there_before_and_is_open_to_others_is_warned_of(
    environment: dict[str, str], mode: int, *, is_warned_of: bool
) -> None:
    """It is left as it is: it may be a directory that others need."""
    folder = Path(environment["LF_EXPORT_SPOOL"])
    folder.mkdir()
    folder.chmod(mode)
    checks = {each.name: each for each in run_checks(Settings.load(environment), environment)}
    assert checks["spool"].ok
    assert ("chmod 700 the spool" in checks["spool"].message) is is_warned_of
    assert folder.stat().st_mode & 0o777 == mode


ALL_BUT_ROLES_IN_PROJECTS = """
    CREATE ROLE {role};
    GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {role};
    REVOKE ALL ON project_memberships FROM {role}
"""


def test_roles_in_projects_that_may_not_be_read_are_missed(
    stack: LocalStack, environment: dict[str, str]
) -> None:
    role = f"narrow_{secrets.token_hex(6)}"
    with postgres_transaction(stack.addresses()) as connection:
        connection.cursor().execute(ALL_BUT_ROLES_IN_PROJECTS.format(role=role))
    narrow = environment | {
        "DATABASE_URL": f"{environment['DATABASE_URL']}?options=-crole%3D{role}"
    }
    postgres, *others = run_checks(Settings.load(narrow), narrow)
    assert not postgres.ok
    assert "grant it what deploy/sql/postgres_role.sql has" in postgres.message
    assert [check for check in others if not check.ok] == []


def test_storage_elsewhere_than_in_postgres_is_refused(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").write_text("storage:\n  sqlite:\n    base_dir: /tmp\n")
    *_, storage, _ = run_checks(
        Settings.load(environment), environment | {"DAGSTER_HOME": str(tmp_path)}
    )
    assert not storage.ok
    assert "take this project's" in storage.message


def test_the_command_prints_a_line_for_each_part_and_succeeds(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == 10
    assert all(line.startswith("good") for line in lines)


def test_the_command_fails_with_the_sentence_of_a_bad_setting(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (environment | {"BATCH_EXPORT_ROW_LIMIT": "many"}).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 1
    assert "BATCH_EXPORT_ROW_LIMIT is 'many'" in result.output
