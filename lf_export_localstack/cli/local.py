"""``lf-export local``: the embedded stack from the command line."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from lf_export_localstack.cli.steps import Steps
from lf_export_localstack.processes import state
from lf_export_localstack.processes.dagster_processes import prepare_home
from lf_export_localstack.processes.running_processes import sentence_of
from lf_export_localstack.processes.stack_errors import ForeignFolderError
from lf_export_localstack.stack.local_stack import DEFAULT_STATE_DIR, LocalStack
from lf_export_localstack.stack.service_status import ServiceStatus
from lf_export_pipeline.core.errors import ConfigurationError

Command = TypeVar("Command", bound=Callable[..., object])


def state_dir_option(command: Command) -> Command:
    """The option that says where an embedded stack has its folder."""
    return click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_STATE_DIR,
        show_default=True,
        envvar="LF_EXPORT_STATE_DIR",
        help="Where data, ports and credentials are kept.",
    )(command)


@click.group()
def local() -> None:
    """Start, stop and look at the embedded Postgres, ClickHouse, S3 and SMTP servers."""


@local.command(short_help="Start what does not run yet.")
@state_dir_option
def up(state_dir: Path) -> None:
    """Start what does not run yet; data of an earlier start are found again."""
    stack = LocalStack(state_dir, tell=Steps())
    stack.up()
    Console().print(_status_table(stack.status()))


@local.command(short_help="End what runs on this folder and on demos' in it.")
@state_dir_option
@click.option("--remove-data", is_flag=True, help="Also remove all data.")
def down(state_dir: Path, *, remove_data: bool) -> None:
    """End everything that was started on this folder and on demos' in it, and nothing else.

    Also `lf-export dev` and `demo` themselves, and what they have left if they were killed.
    """
    folders = [*_stacks_below(state_dir), state_dir]
    ended = Counter[str]()
    for folder in folders:
        ended += LocalStack(folder).down()
    click.echo(f"Ended: {sentence_of(ended)}." if ended else "Nothing was running.")
    if remove_data:
        for folder in folders:
            LocalStack(folder).destroy()
    click.echo("The data are gone." if remove_data else "The data are kept.")


def _stacks_below(folder: Path) -> Iterator[Path]:
    """Where demos have theirs by default."""
    for file in sorted(folder.glob(f"*/{state.STATE_FILE}")):
        with suppress(ForeignFolderError):
            state.load(file.parent)
            yield file.parent


@local.command(short_help="Ask each server whether it answers.")
@state_dir_option
def status(state_dir: Path) -> None:
    """Ask each server whether it answers; the exit code is 1 unless all do."""
    statuses = LocalStack(state_dir).status()
    Console().print(_status_table(statuses))
    if not all(status.answers for status in statuses):
        raise click.exceptions.Exit(1)


@local.command(short_help="Print the variables of this stack, for a shell.")
@state_dir_option
def env(state_dir: Path) -> None:
    """Print the variables that make other programs use this stack, passwords included.

    For a shell: eval "$(lf-export local env)"
    """
    stack = LocalStack(state_dir)
    variables = stack.environment()
    with suppress(ConfigurationError):  # without the repository there is no dagster.yaml to copy
        variables["DAGSTER_HOME"] = str(prepare_home(stack.state_dir))
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _status_table(statuses: list[ServiceStatus]) -> Table:
    table = Table("service", "state", "address", "process", "log")
    for status in statuses:
        table.add_row(
            status.name,
            _state_text(status),
            f"127.0.0.1:{status.port}" if status.port else "",
            str(status.pid or ""),
            str(status.log),
        )
    return table


def _state_text(status: ServiceStatus) -> str:
    if status.answers:
        return "[green]answers[/green]"
    return "[red]runs, does not answer[/red]" if status.pid else "stopped"
