"""``lf-export request``: a row of ``batch_exports``, as Langfuse's web app writes it."""

import json
import secrets
from contextlib import closing
from datetime import UTC, datetime
from math import isinf
from typing import Any

import click

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.requested_for import require_project, require_user
from lf_export_pipeline.cli.storable_text import is_storable
from lf_export_pipeline.core.parsing import compiled_unanswered, parse_request
from lf_export_pipeline.core.request.admission import is_too_deep
from lf_export_pipeline.core.request.model import ExportFormat, StoredExport
from lf_export_pipeline.core.request.options import OPTIONS_KEY, Compression
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.settings import Settings


def _tables(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    return [name for name in table_names() if name.startswith(incomplete)]


@click.command(
    epilog="""\b
Examples:
  lf-export request --project shop --table traces
  lf-export request --project shop --table observations --format jsonl --user clx1abc
  lf-export request --project shop --table traces --format jsonl --compression zstd
  lf-export request --project shop --table traces --without io,metadata,comments
  lf-export request --project shop --table observations --columns id,name,latency,usage
  lf-export request --project shop --table traces --name "Slow traces" \\
    --filters '[{"type": "number", "column": "latency", "operator": ">", "value": 10}]'
  lf-export request --project shop --table scores \\
    --order-by '{"column": "timestamp", "order": "DESC"}'
"""
)
@click.option("--project", required=True, help="Id of the project.")
@click.option(
    "--table", required=True, shell_complete=_tables, help="Such as traces or observations."
)
@click.option(
    "--format",
    "file_format",
    default="CSV",
    show_default=True,
    type=click.Choice(list(ExportFormat), case_sensitive=False),
)
@click.option(
    "--compression",
    default=None,
    type=click.Choice(list(Compression), case_sensitive=False),
    help="Of the file.  [default: LF_EXPORT_COMPRESSION]",
)
@click.option(
    "--columns", default=None, help="Only these: names of columns or of groups, with commas."
)
@click.option("--without", default=None, help="All columns but these, such as input,output.")
@click.option("--filters", default="[]", help="A JSON list, as the web app stores it.")
@click.option("--order-by", default="null", help='JSON: {"column": …, "order": "ASC" or "DESC"}.')
@click.option("--search", default=None, help="Text to search for in ids and names.")
@click.option("--events-table", is_flag=True, help="Read from the events table.")
@click.option("--user", default="", help="Id of the user who receives the e-mail.")
@click.option("--name", default=None, help="Name of the export.")
def request(filters: str, order_by: str, **options: Any) -> None:
    """Request an export and print its id; the sensor starts its run.

    Project, user, columns and format are checked first: what cannot be exported is not queued.
    """
    row = requested_row(
        filters=_json("--filters", filters), order_by=_json("--order-by", order_by), **options
    )
    settings = Settings.load()
    asked = parse_request(row, settings.limits, settings.file_defaults)
    compiled_unanswered(asked, settings.limits)
    with closing(LangfusePostgres(settings)) as database:
        require_project(database, row.project_id)
        if row.user_id:
            is_member = settings.lf_export_require_membership
            require_user(database, row.user_id, row.project_id, is_member=is_member)
        database.exports.add(row)
    click.echo(row.id)
    if asked.forbidden_remark:
        click.echo(asked.forbidden_remark, err=True)
    click.echo(_what_is_next(row.id), err=True)


def _what_is_next(export_id: str) -> str:
    return (
        "QUEUED. While Dagster's daemon is running, its run begins within seconds.\n"
        f"  lf-export status {export_id}      how far it is\n"
        f"  lf-export download {export_id}    its file, once it is COMPLETED"
    )


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
    compression: Compression | None = None,
    columns: str | None = None,
    without: str | None = None,
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
    options = {
        "compression": compression and compression.value,
        "columns": _names(columns),
        "without": _names(without),
    }
    if given := {name: value for name, value in options.items() if value is not None}:
        query[OPTIONS_KEY] = given
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


def _names(listed: str | None) -> list[str] | None:
    if listed is None:
        return None
    return [each.strip() for each in listed.split(",") if each.strip()]


def _json(option: str, text: str) -> Any:
    if is_too_deep(text):
        raise click.BadParameter("This is too deeply nested.", param_hint=option)
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except ValueError as error:
        sentence = f"This is not JSON: {error}. `lf-export request --help` has an example."
        raise click.BadParameter(sentence, param_hint=option) from error
    if not _can_be_stored(value):
        sentence = "A text in it holds a NUL or half a character, which Postgres cannot store."
        raise click.BadParameter(sentence, param_hint=option)
    return value


def _can_be_stored(value: Any) -> bool:
    """Whether Postgres takes JSON that is not too deep, those of its keys that mean nothing too."""
    if isinstance(value, str):
        return is_storable(value)
    if isinstance(value, dict):
        return all(map(_can_be_stored, (*value, *value.values())))
    return not isinstance(value, list) or all(map(_can_be_stored, value))


def _finite(digits: str) -> float:
    """A number with a fraction or an exponent; Python would take one too large for infinity."""
    number = float(digits)
    if isinf(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _no_number(word: str) -> float:
    """Python would take NaN and Infinity, which are no JSON."""
    raise ValueError(word)
