"""``lf-export dev``: the embedded stack and Dagster's UI, until Ctrl-C."""

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from lf_export_localstack.cli.ending import signals_as_interrupts
from lf_export_localstack.cli.local import state_dir_option
from lf_export_localstack.cli.steps import Steps
from lf_export_localstack.demo.summary import shown_path
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes import tcp_ports
from lf_export_localstack.processes.process import ProcessRecord, is_running
from lf_export_localstack.sample.sample_project import (
    ProjectNotEmptyError,
    SampleSize,
    generate_sample,
)
from lf_export_localstack.stack.local_stack import DEFAULT_STATE_DIR, LocalStack

SAMPLE_PROJECT = "sample-project"
SAMPLE_USER = "user-ada"
NAME = "dagster-dev"
POLL_SECONDS = 0.5


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=3000,
    show_default=True,
    help="Where the UI listens.",
)
@click.option("--traces", default=2_000, show_default=True, help="Traces of the sample project.")
@state_dir_option
def dev(port: int, traces: int, state_dir: Path) -> None:
    """Run the embedded stack and Dagster's UI; Ctrl-C ends what was started here."""
    steps = Steps()
    stack = LocalStack(state_dir, tell=steps)
    try:
        with signals_as_interrupts(), stack.session("lf-export dev"):
            _run(stack, port, traces, steps)
    except KeyboardInterrupt:
        click.echo("Ended; the data are kept.")


def _run(stack: LocalStack, port: int, traces: int, steps: Steps) -> None:
    _require_free(port)
    with _said_when_interrupted(steps):
        stack.up()
        _fill(stack, traces, steps)
    home = dagster.prepare_home(stack.state_dir)
    environment = dagster.environment_for(stack.environment(), home)
    launch = dagster.launch_of(NAME, dagster.dev_arguments(port), environment, home)
    steps("Starting Dagster's webserver and daemon")
    with stack.running(NAME, launch) as record, _said_when_interrupted(steps):
        dagster.wait_for_ui(record, port, launch.log)
        steps("Dagster's UI answers")
        _say_where(stack, port, launch.log)
        _wait_while_running(record)


def _require_free(port: int) -> None:
    """Nothing, if the UI can listen there; what answers later could be another program.

    Asked within the session: what an earlier one has left there, and it ends, is in nobody's way.
    """
    if not tcp_ports.is_free(port):
        raise tcp_ports.PortTakenError(f"Port {port} is in use; `--port N` names another one.")


@contextmanager
def _said_when_interrupted(steps: Steps) -> Iterator[None]:
    """A line for whoever has pressed Ctrl-C: Dagster takes a while to end."""
    try:
        yield
    except KeyboardInterrupt:
        steps("Stopping everything")
        raise


def _fill(stack: LocalStack, traces: int, steps: Steps) -> None:
    """A project to try things on; one that is there already stays as it is."""
    size = SampleSize(traces=traces)
    try:
        generate_sample(stack.addresses(), SAMPLE_PROJECT, size, until=datetime.now(UTC))
    except ProjectNotEmptyError:
        steps(f"The project {SAMPLE_PROJECT} is there already")
    else:
        steps(f"The project {SAMPLE_PROJECT} has {traces:,} traces")


def _say_where(stack: LocalStack, port: int, log: Path) -> None:
    click.echo(f"Dagster's UI:   http://{dagster.HOST}:{port}")
    click.echo(f"Its log:        {log}")
    click.echo(f"E-mails:        {stack.addresses().inbox}")
    for at, line in enumerate(_commands_to_try(stack.state_dir)):
        click.echo(f"{'' if at else 'In a new shell:':15} {line}")
    click.echo("Ctrl-C ends everything.")


def _commands_to_try(state_dir: Path) -> Iterator[str]:
    """From a shell that knows nothing yet, in this folder."""
    activate = Path(sys.executable).absolute().with_name("activate")
    if activate.exists():
        yield f". {shlex.quote(shown_path(activate))}"
    is_default = state_dir == DEFAULT_STATE_DIR.resolve()
    option = "" if is_default else f" --state-dir {shlex.quote(shown_path(state_dir))}"
    yield f'eval "$(lf-export local env{option})"'
    yield f"lf-export request --project {SAMPLE_PROJECT} --table traces --user {SAMPLE_USER}"
    yield "lf-export status --watch"


def _wait_while_running(record: ProcessRecord) -> None:
    while is_running(record):
        time.sleep(POLL_SECONDS)
    raise click.ClickException("Dagster has ended by itself; its log says why.")
