"""What filters and orders on sessions can name, and which of them say which rows count.

Some filters choose the rows that a session is made of, in Langfuse's table as in its export: a
lower bound on the creation (the session is then shown as if it began there), the environment (of
traces; a session of spans is tested as a whole), the id and the bookmark.
"""

from collections.abc import Sequence
from datetime import timedelta

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.compiler import (
    FilterColumn,
    FilterTable,
    NumberKind,
    ValueType,
    compile_filters,
)
from lf_export_pipeline.core.query.score_columns import SCORE_FILTER_COLUMNS
from lf_export_pipeline.core.query.statement import Params, Store, in_texts
from lf_export_pipeline.core.query.time_columns import TimeColumn, comparisons_of
from lf_export_pipeline.core.request.filters import DatetimeFilter, Filter, NullFilter
from lf_export_pipeline.core.request.js_dates import EARLIEST
from lf_export_pipeline.core.tables.session_reading import (
    METADATA,
    METRICS,
    SessionRows,
    SessionSource,
)

BOOKMARKED = ("bookmarked", "⭐️")
CREATED_AT = ("createdAt", "Created At")

_SPAN_LOOKBACK = timedelta(days=2)  # Langfuse: OBSERVATIONS_TO_TRACE_INTERVAL
_OBSERVATION_LOOKBACK = timedelta(hours=1)  # Langfuse: TRACE_TO_OBSERVATIONS_INTERVAL

_OBSERVED = TimeColumn("observations", "t.start_time")

_ID = ("id", "ID")
_ENVIRONMENT = ("environment", "Environment")
_METADATA = ("metadata", "Metadata")
_OPTIONS = "stringOptions"


def _id(expression: str) -> FilterColumn:
    return FilterColumn(_ID, expression, ValueType.STRING, "id")


def _created_at(expression: str) -> FilterColumn:
    return FilterColumn(CREATED_AT, expression, ValueType.DATETIME, "createdAt")


def _environment(expression: str) -> FilterColumn:
    return FilterColumn(_ENVIRONMENT, expression, ValueType.STRING, "environment", _OPTIONS)


def _sum(names: tuple[str, ...], column: str) -> FilterColumn:
    return FilterColumn(names, f"n.{column}", ValueType.NUMBER, names[0], relation=METRICS)


_COLUMNS = (
    _created_at("n.created_at"),
    FilterColumn(("userIds", "User IDs"), "n.user_ids", ValueType.STRING_ARRAY, "userIds"),
    _environment("n.environment"),
    FilterColumn(
        ("sessionDuration", "Session Duration", "Session Duration (s)"),
        "n.duration",
        ValueType.NUMBER,
        "sessionDuration",
        number_kind=NumberKind.FLOAT,
        nullable=True,
        relation=METRICS,
    ),
    FilterColumn(("countTraces", "Count Traces"), "n.trace_count", ValueType.NUMBER, "countTraces"),
    FilterColumn(("tracesCount", "Traces Count"), "n.trace_count", ValueType.NUMBER),
    _sum(("inputCost", "Session Input Cost", "Input Cost ($)"), "input_cost"),
    _sum(("outputCost", "Session Output Cost", "Output Cost ($)"), "output_cost"),
    _sum(("totalCost", "Session Total Cost", "Total Cost ($)"), "total_cost"),
    _sum(("inputTokens", "Input Tokens"), "input_tokens"),
    _sum(("outputTokens", "Output Tokens"), "output_tokens"),
    _sum(("totalTokens", "Total Tokens", "Usage"), "total_tokens"),
    _sum(("usage", "Session Total Usage"), "total_tokens"),
    FilterColumn(("traceTags", "Trace Tags"), "n.tags", ValueType.STRING_ARRAY),
    _id("n.id"),
    *SCORE_FILTER_COLUMNS,
)
_METADATA_COLUMN = FilterColumn(
    _METADATA,
    "(n.metadata_names, n.metadata_values)",
    ValueType.NAMED_ARRAYS,
    "metadata",
    relation=METADATA,
)


def _bookmarked(session: str, ids: Sequence[str], params: Params) -> FilterColumn:
    """Postgres knows which sessions are bookmarked; to ClickHouse it is a list of ids."""
    listed = f"({in_texts(session, params, ids)})"
    return FilterColumn(BOOKMARKED, listed, ValueType.BOOLEAN, "bookmarked")


def order_table(bookmarked_ids: Sequence[str], params: Params) -> FilterTable:
    """The columns of a session ``n`` (and its scores ``s``) that the file can be ordered by."""
    return FilterTable("sessions", (_bookmarked("n.id", bookmarked_ids, params), *_COLUMNS))


def filter_table(
    source: SessionSource, bookmarked_ids: Sequence[str], params: Params
) -> FilterTable:
    """The columns that can be filtered; only the spans of the events table tell metadata."""
    table = order_table(bookmarked_ids, params)
    if source.store is not Store.EVENTS:
        return table
    return FilterTable("sessions", (*table.columns, _METADATA_COLUMN))


def session_rows(
    filters: Sequence[Filter],
    source: SessionSource,
    bookmarked_ids: Sequence[str],
    project: str,
    params: Params,
) -> SessionRows:
    """Which rows sessions are made of.

    Langfuse: with a lower bound on the creation, what came before does not count, and a session is
    as old as what is left of it. The numbers that the user saw in the table under this filter are
    those of the export. Observations and spans may be a little older than the bound.
    """
    bounds = [each for each in filters if isinstance(each, DatetimeFilter) and _is_lower(each)][:1]
    if source.store is Store.EVENTS:
        spans = FilterTable("sessions", (_id("t.session_id"),))
        started = comparisons_of(_earlier(each, _SPAN_LOOKBACK) for each in bounds)
        in_range = source.time.condition(started, project, params)
        return SessionRows((source.has_session, *_sql(_on(_ID, filters), spans, params), in_range))
    traces = FilterTable(
        "sessions",
        (
            _id("t.session_id"),
            _bookmarked("t.session_id", bookmarked_ids, params),
            _environment("t.environment"),
        ),
    )
    chosen = _on((*_ID, *BOOKMARKED, *_ENVIRONMENT), filters)
    in_range = source.time.condition(comparisons_of(bounds), project, params)
    started = comparisons_of(_earlier(each, _OBSERVATION_LOOKBACK) for each in bounds)
    return SessionRows(
        own=(source.has_session, *_sql(chosen, traces, params), in_range),
        observations=(_OBSERVED.condition(started, project, params),),
    )


def session_filters(filters: Sequence[Filter], source: SessionSource) -> tuple[Filter, ...]:
    """The filters that are tested on whole sessions.

    Raises:
        InvalidFilterError: Metadata are to be null; they can be empty, but not missing.
    """
    for each in _on(_METADATA, filters):
        if isinstance(each, NullFilter):
            raise InvalidFilterError(
                f"Invalid filter type 'null' for column '{each.column}'. "
                "Expected filter type 'stringObject'."
            )
    if source.store is Store.EVENTS:
        return tuple(filters)
    return tuple(each for each in filters if each.column not in _ENVIRONMENT)


def _on(names: Sequence[str], filters: Sequence[Filter]) -> list[Filter]:
    return [each for each in filters if each.column in names]


def _sql(filters: Sequence[Filter], table: FilterTable, params: Params) -> tuple[str, ...]:
    return tuple(each.sql for each in compile_filters(filters, table, params))


def _is_lower(each: DatetimeFilter) -> bool:
    return each.column in CREATED_AT and each.operator.startswith(">")


def _earlier(lower: DatetimeFilter, lookback: timedelta) -> DatetimeFilter:
    start = max(lower.value, EARLIEST + lookback) - lookback
    return lower.model_copy(update={"operator": ">=", "value": start})
