"""Which tables Langfuse writes: since version 4 it has new ones, and may have left the old ones.

LANGFUSE_MIGRATION_V4_WRITE_MODE of Langfuse's web app and worker decides: ``legacy`` writes traces
and observations, ``events_only``, the default of version 4, the events tables, ``dual`` both. An
export of a table that is no longer written is complete and old. What the rows themselves say is
asked, since the variable may be different where this pipeline runs.

Every question stops at the first row that answers it, and reads a day of the project at most:
project and time bound it, which the tables are sorted by. With more threads than one, each would
read until one of them has found a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lf_export_pipeline.core.query.export_query import ExportQuery, RowSource, WriteMode
from lf_export_pipeline.core.query.statement import Params, Statement, Store

LEGACY_TABLES = (
    RowSource(store=Store.CLICKHOUSE, table="traces", time="t.timestamp"),
    RowSource(store=Store.CLICKHOUSE, table="observations", time="t.start_time"),
)
EVENTS_TABLES = tuple(
    RowSource(store=Store.EVENTS, table=table, time="t.start_time")
    for table in ("events_core", "events_full")
)
_SETTLED = timedelta(minutes=10)  # younger rows may have reached one of the tables only
_MARGIN = timedelta(hours=1)
_LAG = timedelta(days=1)  # events of the mode `dual` come some minutes later, and after a halt more
_HORIZON = timedelta(days=365)

Rows = Callable[[Statement], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Written:
    """What a project's rows say.

    Attributes:
        mode: Where its rows have gone of late.
        until: The day of the newest row of a table that is no longer written, if it has rows.
    """

    mode: WriteMode
    until: date | None = None


def written_tables(project_id: str, before: datetime, rows: Rows) -> Written:
    """Where the newest rows of a project before an instant are; four short questions at most.

    Args:
        project_id: The project.
        before: The cutoff of an export.
        rows: Runs a statement.
    """
    settled = before - _SETTLED
    span = _Span(project_id, settled - _HORIZON, settled)
    newest = _instant(rows(_newest_event(span)))
    if newest is None:
        has_legacy = _has_legacy(span, rows)
        return Written(WriteMode.LEGACY if has_legacy else WriteMode.UNKNOWN)
    if _has_legacy(_Span(project_id, newest + _LAG, settled), rows):
        return Written(WriteMode.LEGACY, newest.date())
    if _has_legacy(_Span(project_id, newest - _MARGIN, before), rows):
        return Written(WriteMode.DUAL)
    trace = _instant(rows(_newest_trace(span)))
    return Written(WriteMode.EVENTS_ONLY, trace.date() if trace else None)


def with_write_mode(query: ExportQuery, rows: Rows) -> ExportQuery:
    """The query of an export with what is known of the tables it reads, if they may be old."""
    request, source = query.request, query.source
    if source not in (*LEGACY_TABLES, *EVENTS_TABLES):
        return query
    written = written_tables(request.project_id, request.created_at, rows)
    return query.model_copy(update={"write_mode": written.mode, "remark": remark(source, written)})


def remark(source: RowSource | None, written: Written) -> str | None:
    """What the user is told of a file that lacks what Langfuse writes elsewhere by now."""
    if written.mode is WriteMode.EVENTS_ONLY and source in LEGACY_TABLES:
        return (
            f"Langfuse no longer writes the table that this export reads{_until(written)}; newer "
            "rows are among the events, so please export those."
        )
    if written.mode is WriteMode.LEGACY and written.until and source in EVENTS_TABLES:
        return (
            f"Langfuse does not write the events tables, which this export reads{_until(written)}; "
            "newer rows are among the traces and observations, so please export those."
        )
    return None


@dataclass(frozen=True, slots=True)
class _Span:
    project_id: str
    start: datetime
    end: datetime

    def condition(self, column: str, params: Params) -> str:
        project = params.bind(self.project_id, "String")
        lower, upper = params.instant(self.start), params.instant(self.end)
        return f"t.project_id = {project} AND {column} >= {lower} AND {column} < {upper}"


def _newest_event(span: _Span) -> Statement:
    """One of the newest minute: the table is sorted by it, and read from the end."""
    params = Params()
    sql = (
        "SELECT toUnixTimestamp64Milli(toDateTime64(t.start_time, 3)) FROM events_core AS t "
        f"WHERE {span.condition('t.start_time', params)} "
        "ORDER BY t.project_id DESC, toStartOfMinute(t.start_time) DESC LIMIT 1"
    )
    return Statement(store=Store.EVENTS, sql=sql, params=params.values, threads=1)


def _newest_trace(span: _Span) -> Statement:
    """One of the newest day."""
    params = Params()
    sql = (
        "SELECT toUnixTimestamp64Milli(t.timestamp) FROM traces AS t "
        f"WHERE {span.condition('t.timestamp', params)} "
        "ORDER BY t.project_id DESC, toDate(t.timestamp) DESC LIMIT 1"
    )
    return Statement(store=Store.CLICKHOUSE, sql=sql, params=params.values, threads=1)


def _has_legacy(span: _Span, rows: Rows) -> bool:
    for legacy in LEGACY_TABLES if span.start < span.end else ():
        params = Params()
        condition = span.condition(legacy.time, params)
        sql = f"SELECT 1 FROM {legacy.table} AS t WHERE {condition} LIMIT 1"
        if rows(Statement(store=legacy.store, sql=sql, params=params.values, threads=1)):
            return True
    return False


def _instant(found: list[tuple[object, ...]]) -> datetime | None:
    return datetime.fromtimestamp(int(str(found[0][0])) / 1000, UTC) if found else None


def _until(written: Written) -> str:
    return f" (its newest row is of {written.until})" if written.until else ""
