"""The command, step by step."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
from rich.console import Console
from rich.live import Live
from rich.table import Table

from lf_export_localstack.demo.exports import EXPORTS, PROJECT, SIZE
from lf_export_localstack.demo.results import Result, result_of
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes import process
from lf_export_localstack.sample.sample_project import generate_sample
from lf_export_localstack.stack.local_stack import DEFAULT_STATE_DIR, LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.status import runs_of, status_table
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.settings import Settings

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
DEADLINE_SECONDS = 600
POLL_SECONDS = 0.5
CHUNK_TARGET_MIB = 8  # small chunks, so that there is progress to be seen


@click.command()
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_STATE_DIR / "demo",
    show_default=True,
    help="Where everything goes; what an earlier demo left there is removed.",
)
def demo(state_dir: Path) -> None:
    """Show everything once, from nothing, and stop; the exit code is 0 if all is well."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    stack = LocalStack(state_dir)
    stack.destroy()
    with stack:
        results = _shown(stack, console)
    console.print(_table(results))
    problems = [f"{r.export.name!r} {problem}" for r in results for problem in r.problems]
    if problems:
        raise click.ClickException("; ".join(problems))
    console.print("All is as it should be; everything that was started has been stopped.")


def _shown(stack: LocalStack, console: Console) -> list[Result]:
    addresses = stack.addresses()
    console.print(f"Postgres, ClickHouse, S3 and SMTP run; their data are in {stack.state_dir}")
    counts = generate_sample(addresses, PROJECT, SIZE, until=datetime.now(UTC))
    console.print(
        f"Project {PROJECT}: " + ", ".join(f"{n:,} {table}" for table, n in counts.items())
    )
    home = dagster.prepare_home(stack.state_dir)
    environment = dagster.environment_for(
        stack.environment(), home, LF_EXPORT_CHUNK_TARGET_MIB=str(CHUNK_TARGET_MIB)
    )
    with _database(stack.environment()) as database, _instance(environment, home) as instance:
        rows = [export.row() for export in EXPORTS]
        for row in rows:
            database.exports.add(row)
        console.print(f"{len(rows)} exports are QUEUED; the daemon's sensor looks for them")
        with dagster.running("daemon", dagster.daemon_arguments(), environment, home) as daemon:
            ended = _watched(
                database, instance, [row.id for row in rows], daemon, home=home, console=console
            )
    files = stack.state_dir / "files"
    files.mkdir()
    return [
        result_of(export, row, counts, files, addresses.inbox)
        for export, row in zip(EXPORTS, ended, strict=True)
    ]


@contextmanager
def _database(environment: Mapping[str, str]) -> Iterator[LangfusePostgres]:
    database = LangfusePostgres(Settings.load(environment))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _instance(environment: Mapping[str, str], home: Path) -> Iterator[dg.DagsterInstance]:
    """The daemon's instance, to read the runs from; its storage is found by these variables."""
    os.environ.update({name: value for name, value in environment.items() if "DAGSTER" in name})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _watched(
    database: LangfusePostgres,
    instance: dg.DagsterInstance,
    export_ids: Sequence[str],
    daemon: process.ProcessRecord,
    *,
    home: Path,
    console: Console,
) -> list[ExportRow]:
    """The rows when all of them have ended and all runs too, shown while they change."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    with Live(console=console, auto_refresh=False) as live:
        while True:
            found = [database.exports.get(export_id) for export_id in export_ids]
            rows = [row for row in found if row is not None]
            runs = runs_of(instance, rows)
            live.update(status_table(rows, runs, datetime.now(UTC)), refresh=True)
            ended_runs = [run for run, _ in runs.values() if run.is_finished]
            if len(ended_runs) == len(rows) and all(row.status in ENDED for row in rows):
                return rows
            _check_daemon(daemon, home, deadline)
            time.sleep(POLL_SECONDS)


def _check_daemon(daemon: process.ProcessRecord, home: Path, deadline: float) -> None:
    log = home / "daemon.log"
    if not process.is_running(daemon):
        raise click.ClickException(f"The daemon has ended.\n{process.last_lines(log)}")
    if time.monotonic() > deadline:
        raise click.ClickException(f"The exports take too long.\n{process.last_lines(log)}")


def _table(results: Sequence[Result]) -> Table:
    table = Table("export", "table", "format", "rows", "bytes", "seconds", "status")
    for heading in ("file", "mail"):
        table.add_column(heading, overflow="fold")  # a path that is cut short leads nowhere
    for result in results:
        row, file = result.row, result.file
        table.add_row(
            result.export.name,
            result.export.table,
            row.format,
            "" if result.rows is None else f"{result.rows:,}",
            f"{file.stat().st_size:,}" if file else "",
            "" if result.seconds is None else f"{result.seconds:.1f}",
            row.status if row.log is None else f"{row.status}: {row.log}",
            _shown_path(file),
            _shown_path(result.mail),
        )
    return table


def _shown_path(path: Path | None) -> str:
    """Relative to where the command was called, if it is below that."""
    if path is None:
        return ""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
