"""Waiting for the exports of the demo, with a line for all that happens to them."""

import time
from collections.abc import Callable, Iterator, Sequence
from textwrap import shorten

import dagster as dg

from lf_export_localstack.processes.patience import Patience
from lf_export_localstack.processes.process import ProcessRecord, is_running
from lf_export_localstack.processes.stack_errors import LocalStackError
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.run_progress import RunProgress, progress_of
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.run_records import newest_runs

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
PATIENCE_SECONDS = 300
POLL_SECONDS = 0.5
WHY_MAX_CHARACTERS = 60


class StandstillError(LocalStackError):
    """The exports do not go on."""


class Watch:
    """Looks at the exports again and again.

    Attributes:
        rows: As they were seen last.
    """

    def __init__(
        self,
        database: LangfusePostgres,
        instance: dg.DagsterInstance,
        export_ids: Sequence[str],
        tell: Callable[[str], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.rows: list[ExportRow] = []
        self._database = database
        self._instance = instance
        self._ids = export_ids
        self._tell = tell
        self._told: dict[str, str] = {}
        self._patience = Patience(patience_seconds)

    def until_all_have_ended(self, daemon: ProcessRecord) -> None:
        """Returns when all of the exports and their runs have ended.

        Raises:
            StandstillError: the daemon has ended, or nothing has moved for a while.
        """
        while not self._look():
            if not is_running(daemon):
                raise StandstillError("Dagster's daemon has ended.")
            if self._patience.is_over(dict(self._told)):
                minutes = self._patience.seconds / 60
                raise StandstillError(f"Nothing has moved for {minutes:g} minutes.")
            time.sleep(POLL_SECONDS)

    def _look(self) -> bool:
        self.rows = list(self._found())
        runs = newest_runs(self._instance, self._ids)
        for row in self.rows:
            run = runs.get(row.id)
            line = _line(row, run, progress_of(self._instance, run.run_id) if run else None)
            if self._told.get(row.id) != line:
                self._told[row.id] = line
                self._tell(line)
        have_ended = all(row.status in ENDED for row in self.rows)
        return have_ended and sum(run.is_finished for run in runs.values()) == len(self._ids)

    def _found(self) -> Iterator[ExportRow]:
        for export_id in self._ids:
            if row := self._database.exports.get(export_id):
                yield row


def _line(row: ExportRow, run: dg.DagsterRun | None, progress: RunProgress | None) -> str:
    line = f"{row.name}: {row.status}"
    if row.status == "FAILED":
        return f"{line}: {shorten(row.log or '', WHY_MAX_CHARACTERS, placeholder=' …')}"
    if run is None or progress is None:
        return line
    if not progress.step:
        return f"{line}, its run is {run.status.value}"
    if progress.rows is None:
        return f"{line}, {progress.step}"
    return f"{line}, {progress.done_rows:,} of {progress.rows:,} rows"
