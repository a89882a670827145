"""``lf-export schedule``: an export of Langfuse again and again, each time for the next window."""

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.export_lookup import known_export_ids
from lf_export_pipeline.cli.instances import required_instance
from lf_export_pipeline.core.request.windowed_query import written
from lf_export_pipeline.schedules.requests import (
    LAG_MINUTES,
    ScheduleConfig,
    record_of,
    schedule,
)
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.schedules.timetable import LAG_MAX, Missed, WindowKind, due_after
from lf_export_pipeline.settings import Settings

_LAG_MAX_MINUTES = int(LAG_MAX.total_seconds()) // 60


@click.command(
    name="schedule",
    epilog="""\b
Examples:
  lf-export schedule clx1abc --cron "0 6 * * *" --window previous-day
  lf-export schedule clx1abc --cron "0 6 * * *" --window previous-day \\
    --timezone Europe/Berlin --since 2031-03-01
  lf-export schedule clx1abc --cron "*/15 * * * *" --window since-last --lag 5
""",
)
@click.argument("export_id", metavar="EXPORT_ID", shell_complete=known_export_ids)
@click.option("--cron", required=True, help="Five fields, or @hourly, @daily, @weekly, @monthly.")
@click.option("--window", required=True, help=f"Which rows: {', '.join(WindowKind)}.")
@click.option(
    "--timezone",
    default="UTC",
    show_default=True,
    help="In which it ticks, and in which days begin.",
)
@click.option(
    "--lag",
    "lag_minutes",
    type=click.IntRange(0, _LAG_MAX_MINUTES),
    default=LAG_MINUTES,
    show_default=True,
    help="Minutes from a tick to its export, for rows that arrive late.",
)
@click.option(
    "--missed",
    type=click.Choice([each.value for each in Missed]),
    default=Missed.CATCH_UP.value,
    show_default=True,
    help="Whether missed windows are made, or the newest alone.",
)
@click.option("--name", default="", help="Name of the exports.  [default: that of the export]")
@click.option(
    "--since",
    default="",
    help="Begin of the first window, such as 2031-03-01 (in --timezone) or 2031-03-01T00:00Z.  "
    "[default: that of the next tick]",
)
@click.option("--json", "as_json", is_flag=True, help="Print all that is kept, as JSON.")
def schedule_command(*, as_json: bool, **values: Any) -> None:
    """Make an export of Langfuse again at each tick, for the same user, and print an id.

    Its filters stay, but for those on the time: a window takes their place, which begins where the
    last one has ended.
    """
    now, settings = datetime.now(UTC), Settings.load()
    with required_instance() as instance, closing(LangfusePostgres(settings)) as database:
        kept = StandingExports(instance)
        config = ScheduleConfig(**values)
        standing = schedule(kept, database.exports, config, now, settings)
        (new,) = kept.these([standing.id])
    click.echo(json.dumps(record_of(*new)) if as_json else standing.id)
    due = due_after(standing.timetable, standing.begin)
    when = f"at {written(due)}" if due > now else f"at once, as it was due at {written(due)}"
    click.echo(
        f"The first window begins at {written(standing.begin)}; its export is queued {when}, while "
        "Dagster's daemon is running.\n"
        "  lf-export schedules                             all standing exports\n"
        f"  lf-export schedules remove {standing.id}    ends this one",
        err=True,
    )
