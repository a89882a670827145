"""``lf-export status``: exports and their runs."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import click
import dagster as dg
from rich.live import Live

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.export_lookup import known_export_ids, missing_export
from lf_export_pipeline.cli.instances import configured_instance
from lf_export_pipeline.cli.records import one_line, print_records
from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.cli.status_lines import Run, StatusLine, status_lines
from lf_export_pipeline.cli.status_view import StatusView
from lf_export_pipeline.core.errors import ConfigurationError, PermanentError
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS, ExportSearch
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.run_records import newest_runs
from lf_export_pipeline.settings import Settings

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
POLL_SECONDS = 1.0
_NO_RUNS = (
    "Runs and rows are not known here, since DAGSTER_HOME is not set: set it, and the variables of "
    "its dagster.yaml, as the daemon has them."
)


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=known_export_ids)
@click.option(
    "--limit",
    type=click.IntRange(1, SEARCH_MAX_ROWS),
    default=20,
    show_default=True,
    help="Number of exports, newest first.",
)
@click.option("--watch", is_flag=True, help="Follow until all named have ended, or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--links", is_flag=True, help="Show the download links. They are secrets.")
def status(ids: tuple[str, ...], limit: int, *, watch: bool, as_json: bool, links: bool) -> None:
    """Show exports and their runs: these, or the newest.

    On a terminal as a table or as blocks, whatever fits; in a pipe as lines with tabs.

    --watch refreshes what a terminal shows. Without a terminal it prints a line for each change of
    state, and the exit code is 0 if all named exports end COMPLETED, and 1 if one ends FAILED or
    CANCELLED.
    """
    if watch and as_json:
        raise click.UsageError("--watch is for people, --json for programs: choose one.")
    is_told = watch and not sys.stdout.isatty()
    settings = Settings.load()
    with (
        nullcontext() if is_told else suppress(KeyboardInterrupt),
        closing(LangfusePostgres(settings)) as database,
        configured_instance() as instance,
    ):
        exports = _Exports(database, instance, ids, limit, links=links)
        if instance is None:
            click.echo(_NO_RUNS, err=True)
        if is_told:
            _tell_changes(exports)
        elif watch:
            _watch(exports)
        else:
            lines = exports.lines()
            print_records([line.as_json() for line in lines], _view(lines), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Exports:
    """What is shown, again and again."""

    database: LangfusePostgres
    instance: dg.DagsterInstance | None
    ids: tuple[str, ...]
    limit: int
    links: bool

    def lines(self) -> list[StatusLine]:
        """As of now."""
        rows = self._rows()
        runs = runs_of(self.instance, rows)
        return status_lines(rows, runs, people_of(self.database, rows), with_links=self.links)

    def followed(self) -> Iterator[list[StatusLine]]:
        """As of now, and again and again, until all that are named have ended."""
        is_over = False
        while not is_over:
            lines = self.lines()
            yield lines
            is_over = bool(self.ids) and all(line.status in ENDED for line in lines)
            if not is_over:
                time.sleep(POLL_SECONDS)

    def _rows(self) -> list[ExportRow]:
        if not self.ids:
            return self.database.exports.recent(self.limit)
        named = ExportSearch(ids=self.ids, limit=len(self.ids))
        found = {row.id: row for row in self.database.exports.search(named)}
        missing = [export_id for export_id in self.ids if export_id not in found]
        if missing:
            raise PermanentError(missing_export(missing[0]))
        return [found[export_id] for export_id in self.ids]


def _tell_changes(exports: _Exports) -> None:
    """A line with tabs for each state that is new: id, state, and why there is no file.

    Ctrl-C ends it with an exit code that says so: 0 is the promise of a file.

    Raises:
        click.exceptions.Exit: One of those that were named has ended without a file.
    """
    known = dict[str, str]()
    for lines in exports.followed():
        for line in lines:
            if known.get(line.export) != line.status:
                said = (line.export, line.status, *filter(None, [one_line(line.log)]))
                click.echo("\t".join(said))
        known |= {line.export: line.status for line in lines}
    if any(status != "COMPLETED" for status in known.values()):
        raise click.exceptions.Exit(1)


def _watch(exports: _Exports) -> None:
    followed = exports.followed()
    with Live(_view(next(followed)), auto_refresh=False) as live:
        for lines in followed:
            live.update(_view(lines), refresh=True)


def _view(lines: list[StatusLine]) -> StatusView:
    return StatusView(lines, datetime.now(UTC))


def runs_of(instance: dg.DagsterInstance | None, rows: Sequence[ExportRow]) -> dict[str, Run]:
    """The newest run of each of these exports, and how far it is."""
    if instance is None:
        return {}
    newest = newest_runs(instance, [row.id for row in rows])
    return {
        export_id: (run, progress_of(instance, run.run_id)) for export_id, run in newest.items()
    }


def people_of(database: LangfusePostgres, rows: Sequence[ExportRow]) -> dict[str, str]:
    """What the users of these exports are called; nothing if that may not be read."""
    with suppress(ConfigurationError):
        found = database.directory.people({row.user_id for row in rows})
        return {one.id: one.known_as for one in found.values()}
    return {}
