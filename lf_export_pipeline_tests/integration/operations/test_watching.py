"""What an operator sees of an export while it runs, under the real daemon."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from lf_export_pipeline.core.markdown import CELL_MAX_CHARACTERS
from lf_export_pipeline.file.preview import PREVIEW_ROWS
from lf_export_pipeline_tests.integration.operations.deployment import (
    DEADLINE_SECONDS,
    Deployment,
)

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
PROGRESS = re.compile(r"([\d,]+) of ([\d,]+) chunks, ([\d,]+) of 3,000 rows(, .+ left)?")


class Screen:
    """What a program writes to its terminal, newest last."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._written = b""

    def shows(self, *texts: str) -> None:
        """Wait until all these are in one line that was written."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not any(all(text in line for text in texts) for line in self._lines()):
            assert time.monotonic() < deadline, self._lines()[-20:]
            if select.select([self._terminal], [], [], 1.0)[0]:
                self._written += os.read(self._terminal, 65_536)

    def _lines(self) -> list[str]:
        return ESCAPES.sub(b"", self._written).decode("utf-8", "replace").splitlines()


@contextmanager
def watching(deployment: Deployment) -> Iterator[Screen]:
    """``lf-export status --watch`` in a terminal; Ctrl-C has to end it well."""
    ours, its = pty.openpty()
    program = str(Path(sys.executable).with_name("lf-export"))
    process = subprocess.Popen(
        # Who starts tests in the background has SIGINT ignored, by all that they start.
        ["env", "--default-signal=INT", program, "status", "--watch"],
        env={**deployment.environment, "COLUMNS": "220", "LINES": "50", "TERM": "xterm"},
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=deployment.home,
    )
    os.close(its)
    try:
        yield Screen(ours)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_live_table_follows_an_export_from_chunk_to_chunk_to_its_end(
    deployment: Deployment,
) -> None:
    with watching(deployment) as screen:
        # Whether ClickHouse writes rows, what is looked up, the rows, and again for the preview.
        of_the_first_chunk = 4
        export_id = deployment.queue(hold_after=of_the_first_chunk)
        run = deployment.held(export_id, queries=of_the_first_chunk + 1)
        written, planned = deployment.chunks(run)
        screen.shows(export_id, "PROCESSING", run.run_id[:8])
        screen.shows(" of 3,000", "STARTED")

        deployment.gate.let_go(export_id)

        screen.shows(export_id, "COMPLETED")
        screen.shows("3,000 of 3,000", "SUCCESS", "link until")
    assert 0 < written < planned


def messages(deployment: Deployment, run: dg.DagsterRun) -> list[str]:
    records = deployment.instance.all_logs(run.run_id)
    return [record.user_message for record in records if record.dagster_event is None]


def test_log_of_a_run_counts_chunks_and_rows_and_says_how_long_the_rest_takes(
    deployment: Deployment,
) -> None:
    export_id = deployment.queue()
    assert deployment.ended(export_id).status == "COMPLETED"
    run = deployment.run_in(export_id, dg.DagsterRunStatus.SUCCESS)

    found = [match for one in messages(deployment, run) if (match := PROGRESS.fullmatch(one))]

    _, planned = deployment.chunks(run)
    assert planned > 2
    assert [match[1] for match in found] == [str(number + 1) for number in range(planned)]
    assert {match[2] for match in found} == {str(planned)}
    rows = [int(match[3].replace(",", "")) for match in found]
    assert rows == sorted(set(rows))
    assert rows[-1] == 3_000
    assert [bool(match[4]) for match in found] == [True] * (planned - 1) + [False]


def test_event_of_an_export_previews_ten_rows_with_long_cells_cut(deployment: Deployment) -> None:
    export_id = deployment.queue()
    assert deployment.ended(export_id).status == "COMPLETED"
    run = deployment.run_in(export_id, dg.DagsterRunStatus.SUCCESS)

    records = deployment.instance.all_logs(
        run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    (event,) = [record.get_dagster_event() for record in records]
    metadata = event.step_materialization_data.materialization.metadata

    assert metadata["rows"].value == 3_000
    _, _, *rows = str(metadata["preview"].value).splitlines()
    assert len(rows) == PREVIEW_ROWS
    cells = [cell.strip() for row in rows for cell in row.strip("| ").split(" | ")]
    assert any(len(cell) >= CELL_MAX_CHARACTERS and cell.endswith("…") for cell in cells)
    assert max(len(cell) for cell in cells) < 2 * CELL_MAX_CHARACTERS
