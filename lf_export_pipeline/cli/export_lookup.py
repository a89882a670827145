"""The export that a command is told by its id, and ids for a shell that completes them."""

from contextlib import closing, suppress

import click
from click.shell_completion import CompletionItem

from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.errors import ExportError, PermanentError
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.validation_messages import quote_value
from lf_export_pipeline.settings import Settings

COMPLETED_IDS = 100


def existing_export(exports: BatchExportRepository, export_id: str) -> ExportRow:
    """The row.

    Raises:
        PermanentError: There is none.
    """
    row = exports.get(export_id)
    if row is None:
        raise PermanentError(missing_export(export_id))
    return row


def missing_export(export_id: str) -> str:
    """The sentence for an id that no export has."""
    return f"There is no export {quote_value(export_id)}; `lf-export status` lists the newest."


def known_export_ids(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """The newest exports whose id begins so; none if the database is not there."""
    rows: list[ExportRow] = []
    with suppress(ExportError), closing(LangfusePostgres(Settings.load())) as database:
        exports: PostgresBatchExportRepository = database.exports
        rows = exports.recent(COMPLETED_IDS)
    return [
        CompletionItem(row.id, help=f"{row.status} {row.name}")
        for row in rows
        if row.id.startswith(incomplete)
    ]
