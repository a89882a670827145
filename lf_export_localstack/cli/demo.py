"""``lf-export demo``, step by step."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg

from lf_export_localstack.cli.ending import signals_as_interrupts
from lf_export_localstack.cli.steps import Steps
from lf_export_localstack.demo.exports import EXPORTS, PROJECT, SIZE
from lf_export_localstack.demo.lake import DemoLake, HealedDay, lake_lines
from lf_export_localstack.demo.results import Result, result_of
from lf_export_localstack.demo.summary import lines_of, next_commands, shown_path
from lf_export_localstack.demo.watching import StandstillError, Watch
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.sample.sample_project import generate_sample
from lf_export_localstack.stack.local_stack import DEFAULT_STATE_DIR, LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.settings import Settings

CHUNK_TARGET_MIB = 8  # small chunks, so that there is progress to be seen
NAME = "dagster-daemon"


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
    steps = Steps()
    stack = LocalStack(state_dir, tell=steps)
    try:
        with signals_as_interrupts():
            with stack.session("lf-export demo", fresh=True):
                lake = DemoLake(stack, steps)
                results, healed, problems = _shown(stack, lake, steps)
                counted = lake.counted() if healed else []
                steps("Stopping everything")
            _say(results, stack.state_dir)
            _say_of_the_lake(lake, healed, counted)
    except KeyboardInterrupt:
        click.echo(f"Ended before its time; what there was is in {shown_path(stack.state_dir)}.")
        raise click.exceptions.Exit(130) from None
    problems += [f"{r.export.name!r} {problem}" for r in results for problem in r.problems]
    if problems:
        raise click.ClickException("; ".join(problems))
    click.echo("All is as it should be; everything that was started has been stopped.")


def _shown(
    stack: LocalStack, lake: DemoLake, steps: Steps
) -> tuple[list[Result], list[HealedDay], list[str]]:
    """What came of exports and lake, and what kept them from coming to an end, if anything did."""
    addresses = stack.up()
    steps(f"Making {SIZE.traces:,} traces with all that belongs to them")
    counts = generate_sample(
        addresses, PROJECT, SIZE, until=datetime.now(UTC), tell=lambda what: steps(f"  {what}")
    )
    home = dagster.prepare_home(stack.state_dir)
    environment = dagster.environment_for(
        {**stack.environment(), **lake.environment},
        home,
        LF_EXPORT_CHUNK_TARGET_MIB=str(CHUNK_TARGET_MIB),
    )
    with _database(stack.environment()) as database, _instance(environment, home) as instance:
        exporting = Exporting(stack, database, instance, environment, steps)
        rows, healed, problems = exporting.watched(lake)
        files = stack.state_dir / "files"
        files.mkdir()
        results = [
            result_of(export, row, counts, files, addresses.inbox)
            for export, row in zip(EXPORTS, rows, strict=True)
        ]
    return results, healed, problems


@dataclass(frozen=True, slots=True)
class Exporting:
    """The exports and the lake, while one daemon sees to both."""

    stack: LocalStack
    database: LangfusePostgres
    instance: dg.DagsterInstance
    environment: Mapping[str, str]
    steps: Steps

    def watched(self, lake: DemoLake) -> tuple[list[ExportRow], list[HealedDay], list[str]]:
        """The rows, the days of the lake, and what has kept them from coming to an end."""
        home = Path(self.environment["DAGSTER_HOME"])
        launch = dagster.launch_of(NAME, dagster.daemon_arguments(), self.environment, home)
        queued = [export.row() for export in EXPORTS]
        for row in queued:
            self.database.exports.add(row)
        self.steps(
            f"{len(queued)} exports are QUEUED; starting Dagster's daemon, whose sensor finds them"
        )
        watch = Watch(self.database, self.instance, [row.id for row in queued], self.steps)
        with self.stack.running(NAME, launch) as daemon:
            try:
                watch.until_all_have_ended(daemon)
                healed = lake.healed(daemon)
            except StandstillError as error:
                return watch.rows, [], [f"{error} Its log says more: {shown_path(launch.log)}."]
        wrong = [f"the lake's {each.day} ({each.change})" for each in healed if not each.is_right]
        return watch.rows, healed, wrong


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


def _say_of_the_lake(
    lake: DemoLake, healed: list[HealedDay], counted: list[tuple[Any, ...]]
) -> None:
    if healed:
        click.echo(f"The lake, in {shown_path(lake.folder)}:")
        for line in lake_lines(healed, counted):
            click.echo(f"  {line}".rstrip())
        click.echo()


def _say(results: list[Result], state_dir: Path) -> None:
    for result in results:
        click.echo()
        for line in lines_of(result):
            click.echo(line)
    click.echo("\nTo try next:")
    for line in next_commands(results, state_dir):
        click.echo(f"  {line}")
    click.echo()
