"""``lf-export``: the command line. Each command's module is imported only when it is called."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec

import click
from click.shell_completion import CompletionItem
from dotenv import dotenv_values

from lf_export_pipeline.cli.storable_text import is_storable
from lf_export_pipeline.core.errors import ExportError

COMMANDS = {
    "doctor": ("lf_export_pipeline.cli.doctor:doctor", "Check everything that an export needs."),
    "request": (
        "lf_export_pipeline.cli.request:request",
        "Request an export, as the web app does.",
    ),
    "status": ("lf_export_pipeline.cli.status:status", "Show exports and their runs."),
    "download": (
        "lf_export_pipeline.cli.download:download",
        "Save the file of a finished export.",
    ),
    "requeue": ("lf_export_pipeline.cli.requeue:requeue", "Requeue failed exports."),
    "schedule": (
        "lf_export_pipeline.cli.schedule:schedule_command",
        "Make an export again and again, for sliding windows.",
    ),
    "schedules": (
        "lf_export_pipeline.cli.schedules:schedules_command",
        "List, pause, resume and remove standing exports.",
    ),
    "run": ("lf_export_pipeline.cli.run:run", "Run one export in this process."),
}
PLUGINS = "lf_export.commands"


@cache
def commands() -> Mapping[str, tuple[str, str]]:
    """All commands by name: where they are and what they do.

    Packages beside this one register theirs as an entry point of the group ``PLUGINS``, so that
    this one need not know them; the embedded stack does, and an image may come without it.
    """
    found: dict[str, tuple[str, str]] = {}
    for entry in entry_points(group=PLUGINS):
        if find_spec(entry.module.partition(".")[0]) is not None:
            found |= entry.load()
    return found | COMMANDS


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is wanted.

    What none of them can do ends in the sentence of the error, whichever command it is.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what no server takes as a text, before any command sees it."""
        for arg in args:
            if not is_storable(arg):
                raise click.UsageError(f"The argument {arg!a} is not valid UTF-8 text.", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ExportError as error:
            raise click.ClickException(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of their tables."""
        return list(commands())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; if there is none of that name, the one that was probably meant is named."""
        if args[0] not in commands() and (near := get_close_matches(args[0], commands(), n=1)):
            ctx.fail(f"There is no command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if cmd_name not in commands():
            return None
        module, _, attribute = commands()[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names with their lines of help, which need no import either."""
        named = [
            CompletionItem(name, help=said)
            for name, (_, said) in commands().items()
            if name.startswith(incomplete)
        ]
        return named or super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of ``--help``, which needs no import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in commands().items()])


@click.group(cls=LazyGroup)
@click.version_option(package_name="lf-export-pipeline")
def main() -> None:
    """Batch exports of a self-hosted Langfuse as a Dagster code location."""
    _hand_on_what_aws_reads()


def _hand_on_what_aws_reads() -> None:
    """Put AWS's variables of ``.env`` into the environment: AWS's client looks nowhere else.

    Dagster's own commands do so with all variables of the file. The environment wins here.
    """
    for name, value in dotenv_values(".env").items():
        if name.startswith("AWS_") and value and not os.environ.get(name):
            os.environ[name] = value
