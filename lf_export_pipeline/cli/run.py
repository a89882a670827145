"""``lf-export run``: one export in this process."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import cast

import click
import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from lf_export_pipeline.adapters.spool import open_spool
from lf_export_pipeline.cli.export_lookup import existing_export, known_export_ids
from lf_export_pipeline.cli.instances import configured_instance
from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.ports import BatchExportRepository, Mailer
from lf_export_pipeline.core.request.admission import is_stale
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.validation_messages import quote_value
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.notifications import send_owed
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.lifecycle.notices import Notice
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, is_partition_key
from lf_export_pipeline.notify.outbox import open_channels
from lf_export_pipeline.settings import Settings

POLL_SECONDS = 0.3
QUIET = {"telemetry": {"enabled": False}}


@click.command()
@click.argument("export_id", metavar="ID", shell_complete=known_export_ids)
@click.option("--force", is_flag=True, help="Run a COMPLETED export again.")
def run(export_id: str, *, force: bool) -> None:
    """Run one export in this process; the exit code is 0 if it ends COMPLETED."""
    settings = Settings.load()
    with instance_in_use() as (instance, is_kept), open_resources(settings) as ports:
        rows = cast("BatchExportRepository", ports["export_rows"])
        _require_runnable(existing_export(rows, export_id), force=force)
        with progress_bar(instance, export_id):
            run_export(batch_export_job(), instance, export_id, ports, force=force)
        if not is_kept:
            _tell(instance, settings, rows, ports)
        _report(existing_export(rows, export_id))


def _tell(
    instance: dg.DagsterInstance,
    settings: Settings,
    rows: BatchExportRepository,
    ports: Mapping[str, object],
) -> None:
    """Sends what the run still owes: no sensor will know of it."""
    channels = open_channels(cast("Mailer", ports["mailer"]), rows, settings)
    outcomes, _ = send_owed(instance, rows, channels, open_spool(settings))
    for outcome in outcomes:
        if outcome.state is Notice.OWED:
            click.echo(
                f"The {outcome.channel} was not sent, and without DAGSTER_HOME nobody sends it "
                "later.",
                err=True,
            )


@contextmanager
def instance_in_use() -> Iterator[tuple[dg.DagsterInstance, bool]]:
    """The instance of DAGSTER_HOME, so that the UI shows the run; without it, one that forgets.

    Beside it stands whether it is kept. One that forgets is on a disk too, in a folder that goes
    when the context ends: of Dagster's records in memory SQLite refuses one thread what another is
    just writing, instead of letting it wait.
    """
    with configured_instance() as shared:
        if shared is not None:
            yield shared, True
            return
        with dg.DagsterInstance.local_temp(overrides=QUIET) as instance:
            yield instance, False


@contextmanager
def progress_bar(instance: dg.DagsterInstance, export_id: str) -> Iterator[None]:
    """A bar on the terminal's error stream, while the context lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    ended = threading.Event()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        watcher = threading.Thread(target=_watch, args=(instance, export_id, progress, ended))
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _watch(
    instance: dg.DagsterInstance, export_id: str, progress: Progress, ended: threading.Event
) -> None:
    """Moves the bar; while Dagster's records cannot be read it stands, and the export goes on."""
    task = progress.add_task("starting", total=None)
    is_over = False
    while not is_over:
        is_over = ended.wait(POLL_SECONDS)
        with suppress(Exception):  # each of Dagster's storages has its own
            _move(instance, export_id, progress, task)


def _move(instance: dg.DagsterInstance, export_id: str, progress: Progress, task: TaskID) -> None:
    runs = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: export_id}), limit=1)
    if runs:
        known = progress_of(instance, runs[0].run_id)
        step = known.step or "starting"
        progress.update(task, description=step, completed=known.done_rows, total=known.rows)


def _require_runnable(row: ExportRow, *, force: bool) -> None:
    """Nothing, if Dagster can have a run of the export: its id is the key of a partition.

    Nor if the run would leave a file that is there as it is, and look as if it had made another.
    """
    if not is_partition_key(row.id):
        raise click.ClickException(
            f"No run can have the id {quote_value(row.id)}: it holds a comma, three dots or "
            "characters that cannot be seen, or is too long. The sensor sets this export FAILED."
        )
    if force and row.status == "COMPLETED" and is_stale(row.created_at, datetime.now(UTC)):
        raise click.ClickException(
            f"The export {row.id} is older than 30 days, and Langfuse makes none of these again; "
            "`lf-export request` makes a new one."
        )


def _report(row: ExportRow) -> None:
    """One line for the export's end; the link is in the row, where it belongs."""
    said = f"{row.id}: {row.status}" + (f". {row.log}" if row.log else "")
    if row.status == "CANCELLED":
        said += f". `lf-export requeue {row.id} --do-it` queues it again"
    if row.status != "COMPLETED":
        raise click.ClickException(said)
    click.echo(said)
    click.echo(f"`lf-export download {row.id}` saves its file.", err=True)
