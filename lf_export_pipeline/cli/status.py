"""``lf-export status``: exports and their runs as a table."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime

import click
import dagster as dg
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Column, Table

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.instances import configured_instance
from lf_export_pipeline.cli.run_progress import RunProgress, progress_of
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.run_records import newest_runs
from lf_export_pipeline.settings import Settings

STYLES = {"COMPLETED": "green", "FAILED": "red", "PROCESSING": "yellow", "CANCELLED": "dim"}
HEADINGS = ("export", "project", "table", "format", "status", "age", "run", "rows", "log")
WHOLE = ("export", "status")
POLL_SECONDS = 1.0
LOG_MAX_CHARACTERS = 60


@click.command()
@click.option("--limit", default=20, show_default=True, help="Number of exports, newest first.")
@click.option("--watch", is_flag=True, help="Refresh the table until Ctrl-C.")
def status(limit: int, *, watch: bool) -> None:
    """Show exports and their runs; runs need DAGSTER_HOME."""
    settings = Settings.load()
    with (
        suppress(KeyboardInterrupt),
        closing(LangfusePostgres(settings)) as database,
        configured_instance() as instance,
    ):
        _show(database, instance, limit, watch=watch)


def _show(
    database: LangfusePostgres, instance: dg.DagsterInstance | None, limit: int, *, watch: bool
) -> None:
    def current() -> Table:
        rows = database.exports.recent(limit)
        return status_table(rows, runs_of(instance, rows), datetime.now(UTC))

    if not watch:
        Console().print(current())
        return
    with Live(current(), auto_refresh=False) as live:
        while True:
            time.sleep(POLL_SECONDS)
            live.update(current(), refresh=True)


def runs_of(
    instance: dg.DagsterInstance | None, rows: Sequence[ExportRow]
) -> dict[str, tuple[dg.DagsterRun, RunProgress]]:
    """The newest run of each of these exports, and how far it is."""
    if instance is None:
        return {}
    newest = newest_runs(instance, [row.id for row in rows])
    return {
        export_id: (run, progress_of(instance, run.run_id)) for export_id, run in newest.items()
    }


def status_table(
    rows: Sequence[ExportRow],
    runs: Mapping[str, tuple[dg.DagsterRun, RunProgress]],
    now: datetime,
) -> Table:
    """One line per export."""
    # In a narrow terminal, too, the id is there to be copied, and nothing is left out.
    table = Table(
        *(Column(name, no_wrap=name in WHOLE, overflow="fold") for name in HEADINGS), padding=(0, 0)
    )
    for row in rows:
        run, rows_text = _run_cells(runs.get(row.id))
        state = f"[{STYLES.get(row.status, 'default')}]{escape(row.status)}[/]"
        cells = (row.id, row.project_id, str(row.table), row.format)
        table.add_row(
            *map(escape, cells), state, _age(now, row), run, rows_text, escape(_short(row.log))
        )
    return table


def _short(log: str | None) -> str:
    """The beginning of a sentence, so that a line of the table stays one."""
    text = log or ""
    return text if len(text) <= LOG_MAX_CHARACTERS else f"{text[:LOG_MAX_CHARACTERS]}…"


def _run_cells(run: tuple[dg.DagsterRun, RunProgress] | None) -> tuple[str, str]:
    if run is None:
        return "", ""
    record, progress = run
    rows = "" if progress.rows is None else f"{progress.done_rows:,} of {progress.rows:,}"
    return f"{record.run_id[:8]} {record.status.value}", rows


def _age(now: datetime, row: ExportRow) -> str:
    seconds = max(0, int((now - row.created_at).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
