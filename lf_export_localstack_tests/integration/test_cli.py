import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.services.mail_service import Mail
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.instances import configured_instance
from lf_export_pipeline.cli.main import main

pytestmark = [pytest.mark.services, pytest.mark.long]


def _run(command: str, state_dir: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["local", command, "--state-dir", str(state_dir), *options])


def test_a_stack_can_be_started_looked_at_and_stopped(state_dir: Path) -> None:
    assert _run("status", state_dir).exit_code == 1

    started = _run("up", state_dir)
    assert started.exit_code == 0, started.output
    assert started.output.count("answers on 127.0.0.1") == 4
    assert _run("status", state_dir).exit_code == 0

    stopped = _run("down", state_dir)
    assert stopped.output.startswith("Ended: clickhouse")
    assert all(name in stopped.output for name in ("postgres", "seaweedfs", "smtp"))
    assert stopped.output.endswith("The data are kept.\n")
    assert _run("status", state_dir).exit_code == 1
    assert state_dir.exists()

    again = _run("down", state_dir, "--remove-data")
    assert (again.exit_code, again.output) == (0, "Nothing was running.\nThe data are gone.\n")
    assert not state_dir.exists()


def test_the_environment_can_be_read_by_a_shell(stack: LocalStack) -> None:
    printed = _run("env", stack.state_dir)

    script = f'{printed.output}\nprintf %s "$DATABASE_URL $DAGSTER_HOME"'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    database_url, home = shell.stdout.split()
    assert database_url == stack.environment()["DATABASE_URL"]
    assert (Path(home) / "dagster.yaml").is_file()


def test_status_shows_runs_in_a_shell_with_the_environment(stack: LocalStack) -> None:
    lines = (
        line.removeprefix("export ") for line in _run("env", stack.state_dir).output.split("\n")
    )
    environment = dict(shlex.split(line)[0].split("=", 1) for line in lines if line)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with configured_instance() as instance:
            assert instance is not None
            assert instance.get_runs_count() >= 0  # other tests have runs of theirs there
        assert CliRunner().invoke(main, ["status"]).exit_code == 0


def test_the_environment_of_a_stack_that_was_never_started_is_refused(tmp_path: Path) -> None:
    refused = _run("env", tmp_path / "never")

    assert refused.exit_code == 1
    assert "No embedded stack was started" in refused.output


def test_a_start_that_fails_ends_in_a_sentence(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mail, "patience_seconds", 0.01)
    monkeypatch.setattr(Mail, "probe", lambda _: 1 / 0)

    failed = _run("up", state_dir)

    assert failed.exit_code == 1
    assert (
        "Error: smtp does not answer, and nothing has moved for 0.01 s: division by zero"
        in failed.output
    )
    assert "Traceback" not in failed.output
