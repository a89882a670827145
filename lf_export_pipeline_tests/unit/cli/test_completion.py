"""What a shell is offered when somebody presses Tab: by click, and without other imports."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from lf_export_pipeline.cli.main import commands, main


def offered(*words: str, shell: str = "bash") -> list[str]:
    """What the last word may become."""
    completing = {
        "COMP_WORDS": " ".join(["lf-export", *words]),
        "COMP_CWORD": str(len(words)),
        "_LF_EXPORT_COMPLETE": f"{shell}_complete",
    }
    result = CliRunner(env=completing).invoke(main, [], prog_name="lf-export")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return [line.removeprefix("plain,") for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("st",), ["status"]),
        (("re",), ["request", "requeue"]),
        (("--v",), ["--version"]),
        (("request", "--t"), ["--table"]),
        (("request", "--table", "dataset_"), ["dataset_items", "dataset_run_items"]),
        (("request", "--format", "j"), ["json", "jsonl"]),
        (("status", "--"), ["--limit", "--watch", "--json", "--links", "--help"]),
    ],
)
def test_words_are_completed(words: tuple[str, ...], expected: list[str]) -> None:
    assert offered(*words) == expected


@pytest.mark.parametrize(("typed", "meant"), [("statsu", "status"), ("requests", "request")])
def test_a_command_that_was_probably_meant_is_named(typed: str, meant: str) -> None:
    refused = CliRunner().invoke(main, [typed])
    assert refused.exit_code == 2
    assert f"There is no command '{typed}'. Did you mean '{meant}'?" in refused.output


def test_every_command_is_offered() -> None:
    assert offered("") == list(commands())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    result = CliRunner(env={"_LF_EXPORT_COMPLETE": f"{shell}_source"}).invoke(
        main, [], prog_name="lf-export"
    )
    assert "_LF_EXPORT_COMPLETE" in result.stdout


def test_names_of_commands_are_offered_without_importing_them() -> None:
    code = (
        "import sys; from lf_export_pipeline.cli.main import main\n"
        "try: main([], prog_name='lf-export')\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'dagster', 'pyarrow', 'sqlalchemy'} & set(sys.modules)))"
    )
    words = {"COMP_WORDS": "lf-export ", "COMP_CWORD": "1", "_LF_EXPORT_COMPLETE": "bash_complete"}

    shown = subprocess.run(
        [sys.executable, "-c", code], env=words, capture_output=True, text=True, check=True
    )

    assert "plain,status" in shown.stdout
