"""``lf-export schedules``: standing exports, listed, paused, resumed, removed."""

from datetime import UTC, datetime

import click
from click.shell_completion import CompletionItem
from rich.console import Group
from rich.text import Text

from lf_export_pipeline.cli.instances import required_instance
from lf_export_pipeline.cli.records import blocks, print_records
from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.schedules.requests import Action, change
from lf_export_pipeline.schedules.store import StandingExports

NONE = "There are no standing exports; `lf-export schedule` makes one."


def _known_ids(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    try:
        with required_instance() as instance:
            found = [standing for standing, _ in StandingExports(instance).all()]
    except ExportError:
        return []
    return [CompletionItem(one.id, help=one.name) for one in found if one.id.startswith(incomplete)]


@click.command(
    name="schedules",
    epilog="""\b
Examples:
  lf-export schedules
  lf-export schedules pause standing-0a1b2c3d
  lf-export schedules resume standing-0a1b2c3d
  lf-export schedules remove standing-0a1b2c3d
""",
)
@click.argument(
    "action", type=click.Choice([each.value for each in Action]), default=Action.LIST.value
)
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=_known_ids)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def schedules_command(action: str, ids: tuple[str, ...], *, as_json: bool) -> None:
    """List standing exports, or pause, resume or remove those with these IDs.

    Exports that were queued stay. To resume one forgets what had failed before; it goes on where it
    has stopped.
    """
    wanted = Action(action)
    with required_instance() as instance:
        records = change(StandingExports(instance), wanted, ids, datetime.now(UTC))
    view = Group(*blocks(records, head=("id", "state", "name"))) if records else Text(NONE)
    print_records(records, view, as_json=as_json)
    done = {Action.PAUSE: "paused", Action.RESUME: "resumed", Action.REMOVE: "removed"}
    if wanted in done:
        click.echo(f"{len(records)} {done[wanted]}.", err=True)
