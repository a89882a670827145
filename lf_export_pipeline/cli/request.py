"""``lf-export request``: a row of ``batch_exports``, as Langfuse's web app writes it."""

import json
import secrets
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.model import ExportFormat, StoredExport
from lf_export_pipeline.settings import Settings


@click.command()
@click.option("--project", required=True, help="Id of the project.")
@click.option("--table", required=True, help="Such as traces or observations.")
@click.option(
    "--format",
    "file_format",
    default="CSV",
    show_default=True,
    type=click.Choice(list(ExportFormat)),
)
@click.option("--filters", default="[]", help="A JSON list, as the web app stores it.")
@click.option("--order-by", default="null", help='JSON: {"column": …, "order": "ASC" or "DESC"}.')
@click.option("--search", default=None, help="Text to search for in ids and names.")
@click.option("--events-table", is_flag=True, help="Read from the events table.")
@click.option("--user", default="", help="Id of the user who receives the e-mail.")
@click.option("--name", default=None, help="Name of the export.")
def request(filters: str, order_by: str, **options: Any) -> None:
    """Request an export and print its id; the sensor starts its run."""
    row = requested_row(
        filters=_json("--filters", filters), order_by=_json("--order-by", order_by), **options
    )
    settings = Settings.load()
    parse_request(row, settings.limits)
    with closing(LangfusePostgres(settings)) as database:
        database.exports.add(row)
    click.echo(row.id)


def requested_row(
    *,
    project: str,
    table: str,
    file_format: str,
    filters: Any = (),
    order_by: Any = None,
    search: str | None = None,
    events_table: bool = False,
    user: str = "",
    name: str | None = None,
) -> StoredExport:
    """A queued export with an id of its own and the present instant as its cutoff."""
    now = datetime.now(UTC)
    query: dict[str, Any] = {
        "tableName": table,
        "filter": filters,
        "orderBy": order_by,
    }
    if search:
        query |= {"searchQuery": search, "searchType": ["id"]}
    if events_table:
        query["useEventsTable"] = True
    return StoredExport(
        id=f"lf-export-{secrets.token_hex(8)}",
        project_id=project,
        user_id=user,
        created_at=now,
        updated_at=now,
        name=name or f"{table} of {now:%Y-%m-%d %H:%M}",
        status="QUEUED",
        format=file_format,
        query=query,
    )


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"This is not JSON: {error}", param_hint=option) from error
