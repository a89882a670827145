"""What the demo says at its end leads to files that are there and to commands that exist."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lf_export_localstack.demo.exports import EXPORTS
from lf_export_localstack.demo.results import Result, result_of
from lf_export_localstack.demo.summary import lines_of, next_commands
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.tables import table_names, table_source

READY, FAILING = EXPORTS[0], EXPORTS[-1]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def row(status: str, log: str | None = None, url: str | None = None) -> ExportRow:
    return ExportRow(
        id="e",
        project_id="p",
        user_id="u",
        created_at=NOW,
        updated_at=NOW,
        name="name",
        status=status,
        format="CSV",
        table="traces",
        log=log,
        url=url,
        finished_at=NOW + timedelta(seconds=12),
        expires_at=NOW + timedelta(days=1) if url else None,
    )


def test_each_export_is_told_with_its_file_and_its_mail_and_no_signature(tmp_path: Path) -> None:
    file, mail = tmp_path / "name.csv", tmp_path / "1.eml"
    file.write_bytes(b"x" * 2048)
    done = row("COMPLETED", url="http://127.0.0.1:1/b/k.csv?X-Amz-Signature=secret")
    text = "\n".join(lines_of(Result(READY, done, file, mail, 10_000, ())))

    for part in ("COMPLETED", "10,000 rows", "2.0 KiB", "12.0 s", str(file), str(mail)):
        assert part in text
    assert "in the mail, signed until 2030-01-02 00:00 UTC" in text
    assert "secret" not in text


def test_failed_export_is_told_with_its_sentence() -> None:
    text = "\n".join(
        lines_of(Result(FAILING, row("FAILED", log="No colour."), None, None, None, ()))
    )

    assert "FAILED, as it has to" in text
    assert "No colour." in text
    assert "link" not in text


def test_three_commands_are_named_and_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = str(Path(sys.executable).with_name("lf-export"))
    file = tmp_path / "All traces.csv"
    file.write_text(
        ",".join(f'"{column.name}"' for column in table_source(table_names()[0]).columns) + "\n"
    )
    result = Result(READY, row("COMPLETED"), file, None, 1, ())
    lines = list(next_commands([result], tmp_path / "state"))
    commands = [line for line in lines if not line.startswith(" ")]

    assert len(commands) == 3
    for command in commands:
        if command.startswith(program):
            words = command.removeprefix(program).split()
            assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0
    (python,) = [command for command in commands if " -c " in command]
    shown = subprocess.run(["sh", "-c", python], capture_output=True, text=True, check=True)
    assert "Columns: [id, " in shown.stdout


@pytest.mark.parametrize(
    ("ended", "mail", "problem"),
    [
        (row("FAILED", log="Column colour is unknown."), "colour", None),
        (row("FAILED", log="Column colour is unknown."), "", "has no e-mail that says why"),
        (row("FAILED", log="colour", url="http://x"), "colour", "has a link although it failed"),
        (row("COMPLETED"), "colour", "is COMPLETED (None) instead of failing over 'colour'"),
    ],
)
def test_export_that_has_to_fail_is_good_with_a_sentence_and_an_e_mail(
    ended: ExportRow, mail: str, problem: str | None, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    content = f"Subject: x\nContent-Type: text/plain\n\n{FAILING.name}: {mail}"
    (inbox / "1.eml").write_text(content)

    result = result_of(FAILING, ended, {}, tmp_path, inbox)

    assert result.problems == (() if problem is None else (problem,))


def test_export_that_has_not_ended_is_one_problem(tmp_path: Path) -> None:
    result = result_of(READY, row("PROCESSING"), {"traces": 5}, tmp_path, tmp_path)

    assert result.problems == ("is PROCESSING",)
