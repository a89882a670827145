"""``lf-export``: the command line. Each command's module is imported only when it is called."""

import os
from importlib import import_module

import click
from dotenv import dotenv_values

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.local.errors import LocalStackError

COMMANDS = {
    "demo": ("lf_export_pipeline.demo.cli:demo", "Run a demo from scratch, then stop."),
    "dev": ("lf_export_pipeline.cli.dev:dev", "Run the embedded stack and Dagster's UI."),
    "local": (
        "lf_export_pipeline.local.cli:local",
        "Start, stop and inspect the embedded servers.",
    ),
    "doctor": ("lf_export_pipeline.cli.doctor:doctor", "Check everything that an export needs."),
    "request": (
        "lf_export_pipeline.cli.request:request",
        "Request an export, as the web app does.",
    ),
    "status": ("lf_export_pipeline.cli.status:status", "Show exports and their runs."),
    "requeue": ("lf_export_pipeline.cli.requeue:requeue", "Requeue failed exports."),
    "run": ("lf_export_pipeline.cli.run:run", "Run one export in this process."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is wanted.

    What none of them can do ends in the sentence of the error, whichever command it is.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ExportError, LocalStackError) as error:
            raise click.ClickException(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of ``--help``, which needs no import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])


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
