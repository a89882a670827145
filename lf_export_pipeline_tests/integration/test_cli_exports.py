"""``lf-export request``, ``run`` and ``status`` against real parts."""

import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from lf_export_localstack.sample.sample_project import (
    ProjectNotEmptyError,
    SampleSize,
    generate_sample,
)
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.cli.request import request as request_command
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.errors import InterruptedExportError
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.proxy import Beforehand, proxy

pytestmark = pytest.mark.services

PROJECT = "cli-project"
TRACES: dict[str, Any] = {"project": PROJECT, "table": "traces", "file_format": "CSV"}


@pytest.fixture(scope="module")
def sampled(stack: LocalStack) -> LocalStack:
    with suppress(ProjectNotEmptyError):  # of a stack that stays up
        generate_sample(stack.addresses(), PROJECT, SampleSize(traces=50, observations_per_trace=0))
    with closing(psycopg2.connect(stack.addresses().database_url)) as connection:
        outside = "INSERT INTO users (id, email) VALUES ('user-outside', 'o@example.com')"
        connection.cursor().execute(f"{outside} ON CONFLICT DO NOTHING")
        connection.commit()
    return stack


@pytest.fixture
def cli(sampled: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return CliRunner(env={**sampled.environment(), "COLUMNS": "250"})


def request(cli: CliRunner, *arguments: str) -> str:
    asked = call(cli, "request", "--project", PROJECT, "--table", "traces", *arguments)
    assert asked.exit_code == 0, asked.output
    return asked.stdout.strip()


def call(cli: CliRunner, *arguments: str) -> Result:
    return cli.invoke(main, arguments)


@pytest.fixture
def database(sampled: LocalStack) -> Iterator[LangfusePostgres]:
    with closing(LangfusePostgres(Settings.load(dict(sampled.environment())))) as opened:
        yield opened


def test_requested_export_is_made_in_this_process(cli: CliRunner) -> None:
    export_id = request(cli, "--format", "JSONL", "--user", "user-ada")

    made = call(cli, "run", export_id)

    assert made.exit_code == 0, made.output
    assert made.stdout.strip() == f"{export_id}: COMPLETED"
    assert export_id in call(cli, "status").stdout


def test_export_that_fails_ends_with_its_sentence_and_exit_code_one(
    cli: CliRunner, database: LangfusePostgres
) -> None:
    unknown = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
    row = requested_row(**TRACES, filters=[unknown])
    database.exports.add(row)

    made = call(cli, "run", row.id)

    assert made.exit_code == 1
    assert "Column colour" in made.stderr


_NAMED = '{"type": "string", "column": "name", "operator": "=", "value": "x"'
NOT_TO_BE_STORED = (
    ("--filters", r'[{"type": "string", "column": "name", "operator": "=", "value": "a\u0000"}]'),
    ("--filters", f"[{_NAMED}, " + r'"unknown": ["\u0000"]}]'),
    ("--filters", f"[{_NAMED}, " + r'"\udc00": 1}]'),
    ("--filters", '[{"type": "number", "column": "latency", "operator": ">", "value": 1e400}]'),
    ("--order-by", r'{"column": "name", "order": "ASC", "unknown": {"a": "\ud800"}}'),
)


@pytest.mark.parametrize(("option", "text"), NOT_TO_BE_STORED)
def test_what_postgres_cannot_store_is_refused_in_a_sentence(
    cli: CliRunner, option: str, text: str
) -> None:
    """Also in what means nothing here: it is a part of the stored query."""
    asked = call(cli, "request", "--project", PROJECT, "--table", "traces", option, text)

    assert asked.exit_code == 2, asked.output
    assert f"Invalid value for {option}: " in asked.stderr
    assert "half a character" in asked.stderr or "too large a number" in asked.stderr


def test_any_other_text_of_a_filter_is_stored(cli: CliRunner, database: LangfusePostgres) -> None:
    text = '\\u0000 \\ud800 \U0001f600 " \u202e \x01'
    wanted = {"type": "string", "column": "name", "operator": "=", "value": text}

    stored = database.exports.stored(request(cli, "--filters", json.dumps([wanted])))

    assert stored is not None
    assert stored.query["filter"] == [wanted]


def test_completed_export_is_made_again_only_by_force(cli: CliRunner) -> None:
    export_id = request(cli)
    call(cli, "run", export_id)

    assert call(cli, "run", export_id).exit_code == 0
    assert call(cli, "run", export_id, "--force").exit_code == 0


def test_old_completed_export_is_not_said_to_be_made_again(
    cli: CliRunner, database: LangfusePostgres
) -> None:
    asked = requested_row(**TRACES)
    old = datetime.now(UTC) - timedelta(days=31)
    row = replace(asked, status="COMPLETED", created_at=old)
    database.exports.add(row)

    made = call(cli, "run", row.id, "--force")

    assert made.exit_code == 1
    assert "is older than 30 days" in made.stderr
    gone = call(cli, "download", row.id)
    assert gone.exit_code == 1
    assert "--force" not in gone.stderr


def test_e_mail_that_nobody_would_send_later_is_said_not_to_be_sent(cli: CliRunner) -> None:
    export_id = request(cli, "--user", "user-ada")
    environment = {"SMTP_CONNECTION_URL": "smtp://127.0.0.1:1", "EMAIL_FROM_ADDRESS": "a@b.test"}

    made = cli.invoke(main, ("run", export_id), env=environment)

    assert made.exit_code == 0, made.output
    assert "e-mail was not sent, and without DAGSTER_HOME nobody sends it later" in made.stderr


@pytest.mark.parametrize(
    ("begins", "request_to_end"),
    [("", signal.SIGINT), ("", signal.SIGTERM), ("trap '' INT; ", signal.SIGTERM)],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM in the background of a script"],
)
def test_command_that_is_asked_to_end_ends_and_its_export_is_failed(
    sampled: LocalStack,
    database: LangfusePostgres,
    tmp_path: Path,
    begins: str,
    request_to_end: signal.Signals,
) -> None:
    """In the background of a script SIGINT is ignored, and programs inherit that."""
    row = requested_row(**TRACES)
    database.exports.add(row)
    is_at_work, goes_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_at_work.set()
        goes_on.wait(60)

    environment = {**os.environ, **sampled.environment()}
    environment.pop("DAGSTER_HOME", None)
    command = f"{begins}exec {sys.executable} -m lf_export_pipeline.cli run {row.id}"
    with proxy(environment["CLICKHOUSE_URL"], lambda _: Beforehand(hold)) as url:
        process = subprocess.Popen(
            ["sh", "-c", command], env={**environment, "CLICKHOUSE_URL": url}, cwd=tmp_path
        )
        try:
            assert is_at_work.wait(60)
            process.send_signal(request_to_end)
            assert process.wait(60) == 1
        finally:
            process.kill()
            process.wait()
            goes_on.set()

    found = database.exports.get(row.id)
    assert found
    assert (found.status, found.url, found.log) == (
        "FAILED",
        None,
        InterruptedExportError().user_message,
    )


def test_export_that_does_not_exist_is_said_to_be_missing_and_no_run_begins(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr("lf_export_pipeline.cli.run.run_export", lambda *_, **__: started.append(1))

    made = call(cli, "run", "nothing")

    assert (made.exit_code, started) == (1, [])
    assert "There is no export 'nothing'" in made.stderr


def test_export_whose_id_no_run_can_have_is_not_run(
    cli: CliRunner, database: LangfusePostgres
) -> None:
    export_id = f"a,{secrets.token_hex(4)}"
    database.exports.add(replace(requested_row(**TRACES), id=export_id))

    made = call(cli, "run", export_id)

    assert made.exit_code == 1
    assert f"No run can have the id '{export_id}'" in made.stderr


def test_requested_export_says_how_to_follow_and_how_to_get_it(cli: CliRunner) -> None:
    asked = call(cli, "request", "--project", PROJECT, "--table", "traces", "--format", "jsonl")

    export_id = asked.stdout.strip()
    assert f"lf-export status {export_id}" in asked.stderr
    assert f"lf-export download {export_id}" in asked.stderr


def test_examples_of_the_help_can_be_typed(cli: CliRunner) -> None:
    text = (request_command.epilog or "").replace("\\\n", " ")
    examples = [shlex.split(line) for line in text.splitlines() if "lf-export" in line]
    mine = {"shop": PROJECT, "clx1abc": "user-ada"}

    assert len(examples) >= 4
    for _program, *words in examples:
        asked = call(cli, *(mine.get(word, word) for word in words))
        assert asked.exit_code == 0, asked.output


def filters(**changes: object) -> str:
    known = {"type": "number", "column": "latency", "operator": ">", "value": 1}
    return json.dumps([known | changes])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--filters", "{"), "This is not JSON"),
        (("--filters", "[" * 100_000), "too deeply nested"),
        (("--filters", '[{"value": NaN}]'), "This is not JSON"),
        (("--filters", '[{"type": "colour"}]'), "Filter 1"),
        (("--filters", filters(column="latncy")), "Did you mean latency"),
        (("--filters", filters(type="boolean", operator="=", value=True, column="name")), "type"),
        (("--filters", filters(operator="about")), "expected one of ="),
        (("--order-by", '{"column": "timestmp", "order": "UP"}'), "expected one of ASC, DESC"),
        (("--table", "trace"), "Did you mean traces?"),
        (("--format", "xlsx"), "'xlsx' is not one of"),
        (("--project", "cli-projekt"), f"Did you mean {PROJECT}?"),
        (("--project", "clx000"), "There is no project 'clx000'. "),
        (("--user", "ada@example.com"), "Did you mean user-ada (ada@example.com)?"),
        (("--user", "nobody"), "Users of the project: "),
        (("--user", "user-outside"), "has no role by which the project"),
    ],
)
def test_request_that_cannot_be_made_is_refused_before_a_row_is_written(
    arguments: tuple[str, ...], sentence: str, cli: CliRunner, database: LangfusePostgres
) -> None:
    mine = ExportSearch(projects=(PROJECT, "cli-projekt", "clx000"))
    before = len(database.exports.search(mine))

    asked = call(cli, "request", "--project", PROJECT, "--table", "traces", *arguments)

    assert asked.exit_code != 0
    assert sentence in asked.stderr
    assert len(database.exports.search(mine)) == before


def test_status_without_dagsters_records_says_what_is_missing_and_why(cli: CliRunner) -> None:
    export_id = request(cli, "--user", "user-ada", "--name", "My traces")
    call(cli, "run", export_id)

    shown = call(cli, "status", export_id, "--json")

    (told,) = json.loads(shown.stdout)
    assert (told["name"], told["who"], told["status"]) == (
        "My traces",
        "ada@example.com",
        "COMPLETED",
    )
    assert re.search(r"-lf-traces-export-cli-project-[0-9a-f]{8}\.csv$", told["file"])
    assert told["link_expires_at"] > told["requested_at"]
    assert (told["rows"], told["run"]) == (None, "")
    assert "DAGSTER_HOME is not set" in shown.stderr
    assert "X-Amz-Signature" not in shown.output
    links = json.loads(call(cli, "status", export_id, "--json", "--links").stdout)
    assert "X-Amz-Signature" in links[0]["link"]


def test_status_of_some_exports_is_in_their_order_and_names_one_that_is_not_there(
    cli: CliRunner,
) -> None:
    first, second = request(cli), request(cli)

    for wanted in ((first, second), (second, first)):
        _heading, *lines = call(cli, "status", *wanted).stdout.splitlines()
        assert tuple(line.split("\t")[0] for line in lines) == wanted
    assert "There is no export 'nope'" in call(cli, "status", first, "nope").stderr


def test_watching_named_exports_ends_when_all_of_them_have_ended(
    cli: CliRunner, database: LangfusePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [request(cli), request(cli)]
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("lf_export_pipeline.cli.status.sys", terminal)
    looks: list[int] = []

    def one_ends(_seconds: float) -> None:
        looks.append(len(waiting))
        assert database.exports.fail(waiting.pop(), "It failed.", datetime.now(UTC))

    monkeypatch.setattr("lf_export_pipeline.cli.status.time.sleep", one_ends)

    watched = call(cli, "status", *waiting, "--watch")

    assert watched.exit_code == 0, watched.output
    assert looks == [2, 1]


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "CANCELLED"])
def test_watching_without_a_terminal_tells_each_change_and_ends_with_the_export(
    end: str, cli: CliRunner, database: LangfusePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = request(cli)
    looks: list[int] = []

    def goes_on(_seconds: float) -> None:
        looks.append(1)
        if len(looks) == 2:
            with database.engine.begin() as connection:
                connection.execute(
                    sa.text("UPDATE batch_exports SET status = :end, log = :log WHERE id = :id"),
                    {
                        "end": end,
                        "log": None if end == "COMPLETED" else "Why\tnot.",
                        "id": export_id,
                    },
                )

    monkeypatch.setattr("lf_export_pipeline.cli.status.time.sleep", goes_on)

    watched = call(cli, "status", export_id, "--watch")

    assert watched.exit_code == (0 if end == "COMPLETED" else 1), watched.output
    why = "" if end == "COMPLETED" else "\tWhy not."
    assert watched.stdout == f"{export_id}\tQUEUED\n{export_id}\t{end}{why}\n"
    assert len(looks) == 2


def test_watching_without_a_terminal_that_is_interrupted_promises_no_file(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lf_export_pipeline.cli.status.time.sleep", interrupt)

    watched = call(cli, "status", request(cli), "--watch")

    assert watched.exit_code != 0


def test_ids_are_completed_with_what_they_are(cli: CliRunner) -> None:
    export_id = request(cli, "--name", "My traces")
    words = {"COMP_WORDS": f"lf-export download {export_id[:-1]}", "COMP_CWORD": "2"}

    completed = cli.invoke(
        main, [], prog_name="lf-export", env={**words, "_LF_EXPORT_COMPLETE": "bash_complete"}
    )

    assert completed.stdout.splitlines() == [f"plain,{export_id}"]


def test_missing_setting_is_one_sentence(cli: CliRunner) -> None:
    asked = cli.invoke(main, ["run", "anything"], env={"CLICKHOUSE_URL": ""})

    assert asked.exit_code == 1
    assert "CLICKHOUSE_URL" in asked.stderr
    assert "Traceback" not in asked.output
