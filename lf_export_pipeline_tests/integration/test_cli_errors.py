"""Commands that cannot do their work: one sentence and exit code 1, never a traceback."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.cli import demo as demo_cli
from lf_export_localstack.processes import dagster_processes, tcp_ports
from lf_export_localstack.processes.tcp_ports import PortTakenError
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.main import main

pytestmark = pytest.mark.services

NOWHERE = {"DATABASE_URL": "postgresql://user:s3cr3t@127.0.0.1:9/langfuse"}
ASKED = ("request", "--project", "p", "--table", "traces")


@pytest.fixture
def environment(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr("lf_export_pipeline.cli.run.run_export", lambda *_, **__: None)  # retries
    return dict(stack.environment())


def user_message_of(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.splitlines()[-1].startswith("Error: "), result.stderr
    assert "Traceback" not in result.output
    assert "s3cr3t" not in result.output
    return result.stderr


@pytest.mark.parametrize("words", [("run", "e"), ("status",), ("requeue",), ASKED])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (NOWHERE, "Postgres"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"BATCH_EXPORT_ROW_LIMIT": "many"}, "BATCH_EXPORT_ROW_LIMIT is 'many'"),
    ],
    ids=["away", "missing", "wrong"],
)
def test_command_on_the_database_says_what_is_wrong(
    environment: dict[str, str], words: tuple[str, ...], changes: dict[str, str], said: str
) -> None:
    assert said in user_message_of(CliRunner(env=environment | changes).invoke(main, words))


def test_part_that_cannot_be_opened_for_a_run_is_named(environment: dict[str, str]) -> None:
    elsewhere = environment | {"LF_EXPORT_SPOOL": "gs://bucket/x"}

    result = CliRunner(env=elsewhere).invoke(main, ["run", "e"])

    assert "LF_EXPORT_SPOOL must be" in user_message_of(result)


@pytest.mark.parametrize("words", [("run", "e"), ("status",)])
@pytest.mark.parametrize("home", ["relative", "/nowhere/at/all", "broken", "unknown"])
def test_records_of_dagster_that_cannot_be_opened_are_named(
    environment: dict[str, str], words: tuple[str, ...], home: str, tmp_path: Path
) -> None:
    content = {"broken": "storage: [1", "unknown": "nonsense: 1"}
    if home in content:
        (tmp_path / "dagster.yaml").write_text(content[home])
        home = str(tmp_path)
    result = CliRunner(env=environment | {"DAGSTER_HOME": home}).invoke(main, words)

    assert "DAGSTER_HOME" in user_message_of(result)


@pytest.mark.parametrize("command", ["dev", "demo"])
def test_command_without_the_repository_around_it_says_how_to_install(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_ports, "is_free", lambda _: True)  # whoever has the UI's port here
    monkeypatch.setattr(LocalStack, "up", lambda _: None)
    monkeypatch.setattr(LocalStack, "addresses", lambda _: None)
    monkeypatch.setattr("lf_export_localstack.cli.dev.generate_sample", lambda *_, **__: {})
    monkeypatch.setattr(demo_cli, "generate_sample", lambda *_, **__: {})
    monkeypatch.setattr(dagster_processes, "CONFIG", tmp_path / "dagster.yaml")

    result = CliRunner().invoke(main, [command, "--state-dir", str(tmp_path / "state")])

    assert "pip install -e" in user_message_of(result)


@pytest.mark.parametrize("words", [("dev",), ("demo",), ("local", "up")])
def test_command_that_finds_no_free_port_says_so(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_free(*_: object, **__: object) -> None:
        raise PortTakenError("No free port for s3 between 1 and 2.")

    monkeypatch.setattr(tcp_ports, "choose", none_free)
    monkeypatch.setattr(tcp_ports, "is_free", lambda _: True)  # whoever has the UI's port here

    result = CliRunner().invoke(main, [*words, "--state-dir", str(tmp_path / "state")])

    assert "No free port for s3" in user_message_of(result)
