"""``lf-export dev``: the embedded stack and Dagster's UI, until Ctrl-C."""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from lf_export_localstack.cli.local import state_dir_option
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes import process
from lf_export_localstack.sample.sample_project import (
    ProjectNotEmptyError,
    SampleSize,
    generate_sample,
)
from lf_export_localstack.stack.local_stack import LocalStack

SAMPLE_PROJECT = "sample-project"
POLL_SECONDS = 0.5


@click.command()
@click.option("--port", default=3000, show_default=True, help="Where the UI listens.")
@click.option("--traces", default=2_000, show_default=True, help="Traces of the sample project.")
@state_dir_option
def dev(port: int, traces: int, state_dir: Path) -> None:
    """Run the embedded stack and Dagster's UI; Ctrl-C stops what was started here."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with LocalStack(state_dir) as stack:
            _fill(stack, traces)
            home = dagster.prepare_home(stack.state_dir)
            environment = dagster.environment_for(stack.environment(), home)
            arguments = dagster.dev_arguments(port)
            with dagster.running("dagster-dev", arguments, environment, home) as record:
                dagster.wait_for_ui(record, port, home / "dagster-dev.log")
                _say_where(port, home)
                _wait_while_running(record)
    except KeyboardInterrupt:
        click.echo("Stopped; the data are kept.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fill(stack: LocalStack, traces: int) -> None:
    """A project to try things on; one that is there already stays as it is."""
    try:
        generate_sample(
            stack.addresses(), SAMPLE_PROJECT, SampleSize(traces=traces), until=datetime.now(UTC)
        )
    except ProjectNotEmptyError:
        return


def _say_where(port: int, home: Path) -> None:
    click.echo(f"Dagster's UI:   http://{dagster.HOST}:{port}")
    click.echo(f"Its log:        {home / 'dagster-dev.log'}")
    click.echo('In a new shell: eval "$(lf-export local env)"')
    click.echo(f"                lf-export request --project {SAMPLE_PROJECT} --table traces")
    click.echo("Ctrl-C stops everything.")


def _wait_while_running(record: process.ProcessRecord) -> None:
    while process.is_running(record):
        time.sleep(POLL_SECONDS)
    raise click.ClickException("Dagster has ended by itself; its log says why.")
