"""Standing exports on the real table: the commands, and two daemons that tick at once."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.doctor import run_checks
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.schedules.queueing import Done, Queueing
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.effort import some
from lf_export_pipeline_tests.integration.test_cli_wrong_arguments import (
    NO_IDS,
    NO_NUMBERS,
    problems_of,
)

pytestmark = pytest.mark.services

PROJECT = f"standing-{secrets.token_hex(4)}"
HOURLY = ("--cron", "@hourly", "--window", "since-last", "--lag", "0")
HOUR = timedelta(hours=1)


@pytest.fixture
def environment(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The stack, and records of Dagster that nobody else uses."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return {**stack.environment(), "DAGSTER_HOME": str(tmp_path)}


@pytest.fixture
def database(environment: dict[str, str]) -> Iterator[LangfusePostgres]:
    with closing(LangfusePostgres(Settings.load(environment))) as opened:
        yield opened
        with opened.engine.begin() as connection:
            sql = sa.text("DELETE FROM batch_exports WHERE project_id = :project")
            connection.execute(sql, {"project": PROJECT})


@pytest.fixture
def export_id(database: LangfusePostgres) -> str:
    """An export of Langfuse that is over."""
    row = requested_row(project=PROJECT, table="traces", file_format="CSV", name="Traces")
    database.exports.add(row)
    database.exports.cancel(row.id)
    return row.id


def call(environment: dict[str, str], *words: str) -> Result:
    return CliRunner(env=environment).invoke(main, words)


def listed(environment: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call(environment, "schedules", "--json").stdout)
    return found


def test_a_standing_export_is_made_listed_paused_resumed_and_removed(
    environment: dict[str, str], export_id: str
) -> None:
    made = call(environment, "schedule", export_id, *HOURLY)
    assert made.exit_code == 0, made.output
    standing_id = made.stdout.strip()
    assert "The first window begins at" in made.stderr

    (kept,) = listed(environment)
    assert (kept["id"], kept["state"], kept["export"]) == (standing_id, "active", export_id)
    head, line = call(environment, "schedules").stdout.splitlines()
    assert dict(zip(head.split("\t"), line.split("\t"), strict=True)) == kept

    assert "1 paused." in call(environment, "schedules", "pause", standing_id).stderr
    assert [one["state"] for one in listed(environment)] == ["paused"]
    assert "1 resumed." in call(environment, "schedules", "resume", standing_id).stderr
    assert [one["state"] for one in listed(environment)] == ["active"]
    removed = call(environment, "schedules", "remove", standing_id)
    assert "1 removed." in removed.stderr
    assert "\tremoved\t" in removed.stdout
    assert listed(environment) == []


def test_programs_are_told_what_was_made_in_json(
    environment: dict[str, str], export_id: str
) -> None:
    made = call(environment, "schedule", export_id, *HOURLY, "--name", "Each hour", "--json")

    told = json.loads(made.stdout)
    assert (told["name"], told["cron"], told["lag_minutes"]) == ("Each hour", "@hourly", "0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("schedule",), "Missing argument 'EXPORT_ID'"),
        (("schedule", "{}"), "Missing option '--cron'"),
        (("schedule", "nope", *HOURLY), "There is no export 'nope'"),
        (("schedule", "{}", *HOURLY, "--cron", "x"), "'x' is not a cron expression"),
        (("schedule", "{}", *HOURLY, "--timezone", "Mars"), "There is no time zone 'Mars'"),
        (("schedule", "{}", *HOURLY, "--window", "today"), "The window 'today' is not known"),
        (("schedule", "{}", *HOURLY, "--window", "previous-day"), "overlap"),
        (("schedule", "{}", *HOURLY, "--lag", "-1"), "-1 is not in the range"),
        (("schedule", "{}", *HOURLY, "--missed", "x"), "'x' is not one of"),
        (("schedule", "{}", *HOURLY, "--since", "x"), "since is 'x', which is not a valid time"),
        (("schedules", "nonsense"), "'nonsense' is not one of"),
        (("schedules", "pause"), "Name the standing exports to pause"),
        (("schedules", "remove", "nope"), "There is no standing export 'nope'; there are none."),
    ],
)
def test_what_cannot_be_is_one_sentence(
    environment: dict[str, str], export_id: str, words: tuple[str, ...], said: str
) -> None:
    result = call(environment, *(word.format(export_id) for word in words))

    assert result.exit_code in {1, 2}
    assert said in result.stderr.splitlines()[-1]
    assert isinstance(result.exception, SystemExit)
    assert listed(environment) == []


def test_whatever_the_arguments_are_nothing_is_kept(
    environment: dict[str, str], export_id: str
) -> None:
    told = [
        *(("schedule", *HOURLY, "--", word) for word in some(NO_IDS)),
        *(("schedule", export_id, *HOURLY, "--cron", word) for word in some(NO_IDS)),
        *(("schedule", export_id, *HOURLY, "--timezone", word) for word in some(NO_IDS)),
        *(("schedule", export_id, *HOURLY, "--window", word) for word in some(NO_IDS)),
        *(("schedule", export_id, *HOURLY, "--lag", word) for word in some(NO_NUMBERS[1:])),
        *(("schedules", "remove", "--", word) for word in some(NO_IDS)),
    ]
    results = {words: call(environment, *words) for words in told}

    problems = {words: problems_of(result, is_wrong=True) for words, result in results.items()}
    assert {str(words)[:200]: found for words, found in problems.items() if found} == {}
    assert listed(environment) == []


@pytest.mark.parametrize("words", [("schedule", "x", *HOURLY), ("schedules",)])
def test_without_dagsters_records_it_says_what_to_set(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    result = call(environment | {"DAGSTER_HOME": ""}, *words)

    assert result.exit_code == 1
    assert "DAGSTER_HOME is not set" in result.stderr


def rows_of(database: LangfusePostgres, export_id: str) -> list[StoredExport]:
    """The rows of windows, in their order."""
    rows = database.exports.search(ExportSearch(projects=(PROJECT,)))
    stored = [database.exports.stored(row.id) for row in rows if row.id != export_id]
    return sorted((row for row in stored if row), key=lambda row: row.id)


def test_two_daemons_at_once_make_one_row_for_each_window(
    environment: dict[str, str], database: LangfusePostgres, export_id: str
) -> None:
    made = call(environment, "schedule", export_id, *HOURLY)
    assert made.exit_code == 0, made.output
    now, together = datetime.now(UTC), Barrier(2)

    def daemon(_: int) -> list[Done]:
        done: list[Done] = []
        with dg.DagsterInstance.get() as instance:
            kept = StandingExports(instance)
            for at in range(1, 6):
                together.wait(timeout=60)
                later = now + at * HOUR
                done += Queueing(kept, database.exports, lambda: later).queue_due()  # noqa: B023
        return done

    with ThreadPoolExecutor(2) as both:
        done = [one for each in both.map(daemon, range(2)) for one in each]

    rows = rows_of(database, export_id)
    assert len(rows) == 5
    assert sum(one.rows for one in done) == 5
    assert {row.status for row in rows} == {"QUEUED"}
    assert {row.user_id for row in rows} == {""}
    bounds = [[each["value"] for each in row.query["filter"]] for row in rows]
    assert [end for _, end in bounds[:-1]] == [begin for begin, _ in bounds[1:]]


def test_the_doctor_counts_them(environment: dict[str, str], export_id: str) -> None:
    made = [call(environment, "schedule", export_id, *HOURLY).stdout.strip() for _ in range(2)]
    call(environment, "schedules", "pause", made[0])

    checks = {one.name: one for one in run_checks(Settings.load(environment), environment)}

    assert checks["standing exports"].ok
    assert checks["standing exports"].message == (
        "there are 2, 1 of them paused, and their exports can be queued"
    )
