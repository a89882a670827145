"""``lf-export requeue``: failed exports again, from the shell."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS
from lf_export_pipeline.lifecycle.requeue import (
    HEADINGS,
    RequeueConfig,
    Requeued,
    requeue_failed,
    summary_of,
)
from lf_export_pipeline.settings import Settings


@click.command()
@click.argument("ids", nargs=-1)
@click.option(
    "--since",
    help="Requested at or after this time, such as 2031-03-01T08:00Z.  [default: 30 days ago]",
)
@click.option("--until", help="Requested before this time.")
@click.option("--project", "projects", multiple=True, help="Id of a project; may be repeated.")
@click.option("--table", "tables", multiple=True, help="Such as traces; may be repeated.")
@click.option("--error", "error_contains", help="Text that the error message contains.")
@click.option(
    "--limit", default=SEARCH_MAX_ROWS, show_default=True, help="Maximum number, oldest first."
)
@click.option("--do-it", is_flag=True, help="Requeue them; without this option, only list them.")
def requeue(*, do_it: bool, **conditions: Any) -> None:
    """Requeue failed exports: those with these IDS, or all that match the options."""
    conditions |= {name: list(conditions[name]) for name in ("ids", "projects", "tables")}
    config = RequeueConfig(**conditions, dry_run=not do_it)
    with closing(LangfusePostgres(Settings.load())) as database:
        requeued = requeue_failed(database.exports, config, datetime.now(UTC))
    if requeued:
        Console().print(requeue_table(requeued))
    click.echo(f"{summary_of(requeued)}.")


def requeue_table(requeued: list[Requeued]) -> Table:
    """One line per export."""
    table = Table(*HEADINGS)
    for one in requeued:
        table.add_row(*map(escape, one.cells))
    return table
