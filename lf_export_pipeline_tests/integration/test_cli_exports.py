"""``lf-export request``, ``run`` and ``status`` against real parts."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.main import main

pytestmark = pytest.mark.services

PROJECT = "cli-project"


@pytest.fixture(scope="module")
def sampled(stack: LocalStack) -> LocalStack:
    generate_sample(stack.addresses(), PROJECT, SampleSize(traces=50, observations_per_trace=0))
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


def test_requested_export_is_made_in_this_process(cli: CliRunner) -> None:
    export_id = request(cli, "--format", "JSONL", "--user", "user-ada")

    made = call(cli, "run", export_id)

    assert made.exit_code == 0, made.output
    assert made.stdout.strip() == f"{export_id}: COMPLETED"
    assert export_id in call(cli, "status").stdout


def test_export_that_fails_ends_with_its_sentence_and_exit_code_one(cli: CliRunner) -> None:
    unknown = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
    export_id = request(cli, "--filters", json.dumps([unknown]))

    made = call(cli, "run", export_id)

    assert made.exit_code == 1
    assert "Column colour" in made.stderr


def test_completed_export_is_made_again_only_by_force(cli: CliRunner) -> None:
    export_id = request(cli)
    call(cli, "run", export_id)

    assert call(cli, "run", export_id).exit_code == 0
    assert call(cli, "run", export_id, "--force").exit_code == 0


def test_export_that_does_not_exist_is_said_to_be_missing(cli: CliRunner) -> None:
    made = call(cli, "run", "nothing")

    assert made.exit_code == 1
    assert "There is no export nothing" in made.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--filters", "{"), "This is not JSON"),
        (("--filters", '[{"type": "colour"}]'), "Filter 1"),
    ],
)
def test_request_that_cannot_be_made_is_refused_at_once(
    arguments: tuple[str, ...], sentence: str, cli: CliRunner
) -> None:
    asked = call(cli, "request", "--project", PROJECT, "--table", "traces", *arguments)

    assert asked.exit_code != 0
    assert sentence in asked.stderr


def test_missing_setting_is_one_sentence(cli: CliRunner) -> None:
    asked = cli.invoke(main, ["run", "anything"], env={"CLICKHOUSE_URL": ""})

    assert asked.exit_code == 1
    assert "CLICKHOUSE_URL" in asked.stderr
    assert "Traceback" not in asked.output
