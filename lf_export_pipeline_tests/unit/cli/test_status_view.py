"""How exports are shown: at every width, in pipes, without colours, and never with a secret."""

import io
import json
import re
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from rich.console import Console

from lf_export_pipeline.cli.records import as_tabs, blocks
from lf_export_pipeline.cli.run_progress import RunProgress
from lf_export_pipeline.cli.status_lines import StatusLine, status_lines
from lf_export_pipeline.cli.status_view import StatusView
from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG
from lf_export_pipeline.lifecycle.partitions import ROWS_TAG
from lf_export_pipeline_tests.numbers_table import export_row

NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
IDS = ("clx0k3v9s0000abcdefghijkl", "lf-export-0123456789abcdef", "cm5qg2n1y0003zzzzzzzzzzzz")
FILE = "1931000000000-lf-traces-export-clx0000project.csv"
URL = f"https://bucket.test/exports/{FILE}?X-Amz-Signature=s3cr3t"
RUN = dg.DagsterRun(job_name="batch_export", run_id="1a2b3c4d-0000", tags={ROWS_TAG: "7"})
PROGRESS = RunProgress(rows=3_000, done_rows=1_200, chunks=5, done_chunks=2, seconds_left=41.2)
PEOPLE = {"u-alice": "alice@example.com"}


def row(export_id: str, **values: object) -> ExportRow:
    return export_row(export_id, created_at=NOW - 3 * HOUR, **values)


ROWS = [
    row(IDS[0], status="COMPLETED", url=URL, expires_at=NOW + HOUR, name="Traces of June"),
    row(IDS[1], status="PROCESSING"),
    row(IDS[2], status="FAILED", log="Column colour does not match. " * 5, name="x" * 300),
]


def lines(*rows: ExportRow, with_links: bool = False) -> list[StatusLine]:
    runs = {IDS[1]: (RUN, PROGRESS)}
    return status_lines(rows or ROWS, runs, PEOPLE, with_links=with_links)


def shown(width: int, *rows: ExportRow, with_links: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, no_color=True)
    console.print(StatusView(lines(*rows, with_links=with_links), NOW), crop=False)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


@pytest.mark.parametrize("width", [40, 80, 120, 169, 170, 200, 300])
def test_no_id_is_cut_or_folded_and_no_line_is_too_long(width: int) -> None:
    text = shown(width)

    assert [text.count(one) for one in IDS] == [1, 1, 1]
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 200])
def test_it_is_said_who_asked_for_what_how_far_it_is_and_where_the_file_is(width: int) -> None:
    text = shown(width)

    assert "alice@example.com" in text
    assert "Traces of June" in text
    assert "numbers CSV" in text
    assert "1,200 of 3,000, 41 s left" in text
    assert FILE in text
    assert "link until 2031-03-20 13:00 UTC" in text
    assert "Column colour does not match." in text
    assert "1a2b3c4d" in text
    assert "3 h ago" in text


def test_an_export_has_a_few_lines_at_eighty_columns() -> None:
    assert len(shown(80, ROWS[0]).splitlines()) == 5


def test_a_link_that_has_expired_is_said_to_have() -> None:
    expired = row("e", status="COMPLETED", url=URL, expires_at=NOW - HOUR)
    assert "link expired 2031-03-20 11:00 UTC" in shown(80, expired)


def test_links_are_shown_whole_and_only_on_request() -> None:
    for width in (80, 200):
        assert "s3cr3t" not in shown(width)
        assert URL in shown(width, with_links=True).splitlines()
    records = [line.as_json() for line in lines()]
    assert "s3cr3t" not in json.dumps(records) + "".join(as_tabs(records))
    assert lines(with_links=True)[0].as_json()["link"] == URL


def test_rows_of_an_old_run_are_known_by_its_tag() -> None:
    (found,) = status_lines([ROWS[0]], {IDS[0]: (RUN, RunProgress())}, {})
    assert (found.rows, found.rows_text, found.who) == (7, "7", "u-alice")


@pytest.mark.parametrize("width", [80, 200])
def test_operator_reads_which_step_has_failed_and_why_and_if_the_user_was_told(width: int) -> None:
    tagged = dg.DagsterRun(job_name="batch_export", run_id="1a2b", tags={EMAIL_TAG: "owed"})
    failed = RunProgress(failed_step="stream_chunks", failure="ClickHouse did not answer.")
    runs = {"e": (tagged, failed)}

    def line_of(**values: object) -> StatusLine:
        (found,) = status_lines([row("e", **values)], runs, {})
        return found

    generic = line_of(status="FAILED", log=GENERIC_USER_MESSAGE)
    assert generic.as_json()["cause"] == "stream_chunks: ClickHouse did not answer."
    assert generic.as_json()["email"] == "owed"
    console = Console(file=io.StringIO(), width=width)
    console.print(StatusView([generic], NOW), crop=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "stream_chunks: ClickHouse did not answer." in text
    assert "e-mail owed" in text
    assert not line_of(status="FAILED", log="ClickHouse did not answer.").cause
    assert not line_of(status="QUEUED").cause  # queued again since


def test_in_a_pipe_each_export_is_one_line_with_as_many_tabs() -> None:
    records = [line.as_json() for line in lines(*ROWS, row("t", name="a\tb\nc"))]
    heading, *rest = as_tabs(records)

    assert len(rest) == 4
    assert {text.count("\t") for text in (heading, *rest)} == {heading.count("\t")}
    assert heading.startswith("export\tname\tstatus\t")
    assert rest[3].startswith("t\ta b c\t")


HOSTILE = "[red]\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil"


@pytest.mark.parametrize("width", [80, 200])
def test_what_users_have_typed_is_text_and_no_command_to_the_terminal(width: int) -> None:
    hostile = row("h", status="FAILED", name=HOSTILE, project_id=HOSTILE, log=HOSTILE)
    text = shown(width, hostile) + "".join(as_tabs(line.as_json() for line in lines(hostile)))

    assert "[red]" in text
    assert not set("\x07\x9b\u202e") & set(text)
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text


def test_colours_are_off_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> str:
        out = io.StringIO()
        Console(file=out, width=80, force_terminal=True).print(StatusView(lines(), NOW))
        return out.getvalue()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mCOMPLETED" in written()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in written()


def test_a_block_says_what_each_of_its_values_is() -> None:
    console = Console(file=io.StringIO(), width=80)
    record = {"id": "standing-1", "state": "active", "lag_minutes": "20", "said": ""}
    console.print(*blocks([record], head=("id", "state")))

    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert [line.rstrip() for line in text.splitlines()] == [
        "standing-1  active",
        "  lag minutes: 20",
    ]
