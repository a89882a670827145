"""From what the user saw to what the stores are asked, as data."""

import secrets
from collections.abc import Iterator

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.export_query import ExportQuery, WriteMode
from lf_export_pipeline.core.query.write_mode import with_write_mode
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.validation_messages import join_limited
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline.defs.ops.attempts import Attempts
from lf_export_pipeline.settings import Settings


@dg.op(out=dg.Out(ExportQuery, is_required=False))
def resolve_filters(
    context: dg.OpExecutionContext,
    request: ExportRequest,
    *,
    attempts: dg.ResourceParam[Attempts],
    reader: dg.ResourceParam[RowReader],
) -> Iterator[dg.Output[ExportQuery]]:
    """Asks for what the table needs to know (commented ids, score names), then compiles."""
    with attempts.running(context) as attempt:
        attempt.require_running()
        tagged_reader = attempt.tagged(reader)
        query = resolved(request, tagged_reader, attempt.settings)
        context.log.info(_summary(query))
        yield dg.Output(_with_write_mode(context, query, tagged_reader))


def resolved(request: ExportRequest, reader: RowReader, settings: Settings) -> ExportQuery:
    """The reading of an export, with a hash key of its own.

    Raises:
        PermanentError: The table, a filter or the order cannot be applied, or they are too many.
    """
    table = table_source(request.query.table)
    asked = table.preflight_queries(request, settings.limits)
    answers = {name: reader.rows(statement) for name, statement in asked.items()}
    query = table.compile(request, answers, settings.limits)
    query.require_short_sql()
    return query.keyed((secrets.randbits(64), secrets.randbits(64)))


def _with_write_mode(
    context: dg.OpExecutionContext, query: ExportQuery, reader: RowReader
) -> ExportQuery:
    """The same query, told whether Langfuse still writes its table; no export fails over that."""
    try:
        query = with_write_mode(query, reader.rows)
    except ExportError as error:
        context.log.info("Whether Langfuse still writes the table is unknown: %s", error)
        return query
    if query.remark:
        context.log.warning(query.remark)
    elif query.write_mode is not WriteMode.UNKNOWN:
        context.log.info("Langfuse's write mode is %s, by this project's rows", query.write_mode)
    return query


def _summary(query: ExportQuery) -> str:
    if query.key_scan is None:
        return "Nothing can match; the export will be empty"
    left_out = query.request.left_out
    without = f" (without {join_limited(left_out)})" if left_out else ""
    return (
        f"{len(query.columns):,} columns{without}, {len(query.score_columns):,} score columns, "
        f"{len(query.lookups):,} lookups, at most {query.row_limit:,} rows"
    )
