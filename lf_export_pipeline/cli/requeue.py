"""``lf-export requeue``: failed exports again, from the shell."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Group

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.export_lookup import known_export_ids
from lf_export_pipeline.cli.records import blocks, print_records
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value
from lf_export_pipeline.lifecycle.requeue import (
    HEADINGS,
    LIMIT_MAX,
    WOULD_QUEUE,
    RequeueConfig,
    Requeued,
    requeue_failed,
    summary_of,
)
from lf_export_pipeline.settings import Settings


@click.command(
    epilog="""\b
Examples:
  lf-export requeue
  lf-export requeue --since 2031-03-01T08:00Z --error "bucket refuses"
  lf-export requeue lf-export-0123456789abcdef --do-it
"""
)
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=known_export_ids)
@click.option(
    "--since",
    default="",
    help="Requested at or after this time, such as 2031-03-01T08:00Z.  [default: 30 days ago]",
)
@click.option("--until", default="", help="Requested before this time.")
@click.option("--project", "projects", multiple=True, help="Id of a project; may be repeated.")
@click.option("--table", "tables", multiple=True, help="Such as traces; may be repeated.")
@click.option("--error", "error_contains", default="", help="Text in the error message.")
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=SEARCH_MAX_ROWS,
    show_default=True,
    help="Maximum number, oldest first.",
)
@click.option("--do-it", is_flag=True, help="Requeue them; without this option, only list them.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def requeue(*, do_it: bool, as_json: bool, **conditions: Any) -> None:
    """Requeue failed exports: those with these IDs, or all that match the options.

    Exports with these IDs are requeued if they are CANCELLED, too. Those whose request is invalid
    are left out: they would fail again. The exit code is 1 if an ID is not that of a match.
    """
    conditions |= {name: list(conditions[name]) for name in ("ids", "projects", "tables")}
    config, settings = RequeueConfig(**conditions, dry_run=not do_it), Settings.load()
    with closing(LangfusePostgres(settings)) as database:
        requeued = requeue_failed(
            database.exports, config, datetime.now(UTC), settings.limits, settings.file_defaults
        )
    records = [dict(zip(HEADINGS, one.cells, strict=True)) for one in requeued]
    view = Group(*blocks(records, head=("export", "outcome")))
    print_records(records, view, as_json=as_json)
    click.echo(f"{summary_of(requeued)}.{_advice(requeued, config.ids)}", err=True)
    if _unmatched(requeued, config.ids):
        click.get_current_context().exit(1)


def _advice(requeued: Sequence[Requeued], ids: Sequence[str]) -> str:
    """What to do next, where something was only listed or an id is not that of a match."""
    advice = ""
    if any(one.outcome == WOULD_QUEUE for one in requeued):
        advice = " The same with --do-it requeues."
    if left := _unmatched(requeued, ids):
        named = join_limited([quote_value(each) for each in left])
        advice += f" `lf-export status` says what became of {named}."
    return advice


def _unmatched(requeued: Sequence[Requeued], ids: Sequence[str]) -> list[str]:
    return sorted({*ids} - {one.row.id for one in requeued})
