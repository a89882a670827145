"""What an observation shows of its trace, and the filters and the search that look at the trace."""

from dataclasses import replace

from lf_export_pipeline.core.query.compiler import FilterColumn, ValueType
from lf_export_pipeline.core.query.export_query import Lookup, LookupScope
from lf_export_pipeline.core.query.expressions import json_text, plain_time
from lf_export_pipeline.core.query.search import SearchColumns, search_condition
from lf_export_pipeline.core.query.selection import ScanPredicates
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.request.model import BatchExportQuery, SearchType

TRACE_ALIAS = "tr"

_WITHOUT_TRACE = {
    "traceName": "",
    "traceTags": "[]",
    "traceTimestamp": "1970-01-01 00:00:00.000",  # what the original's join gives
    "userId": None,
}

TRACE_COLUMNS = (
    FilterColumn(
        ("traceTags", "Trace Tags"),
        f"{TRACE_ALIAS}.tags",
        ValueType.STRING_ARRAY,
        relation=TRACE_ALIAS,
    ),
    *(
        FilterColumn(
            names,
            f"{TRACE_ALIAS}.{column}",
            ValueType.STRING,
            nullable=nullable,
            relation=TRACE_ALIAS,
        )
        for names, column, nullable in (
            (("userId", "User ID"), "user_id", True),
            (("sessionId", "Session ID"), "session_id", True),
            (("traceName", "Trace Name"), "name", False),
            (("traceEnvironment", "Trace Environment"), "environment", False),
        )
    ),
)
"""Langfuse drops these filters from an export of observations; here they are applied."""


def shown_traces(project: str, traces: str) -> str:
    """A query for the version of some traces that observations show, by ``key``.

    Until ClickHouse has merged them, a trace has several versions. The original joins any of them;
    its recordings hold the one that was stored first, deleted or not, so that one is taken here, by
    the columns as well as by filters and search: what was filtered is what is shown.

    Args:
        project: The placeholder of the project id.
        traces: A query for the ids of the traces that matter.
    """
    return (
        "SELECT t.id AS key, t.name AS name, t.user_id AS user_id, t.session_id AS session_id, "
        "t.tags AS tags, toString(t.environment) AS environment, t.timestamp AS timestamp "
        f"FROM traces AS t WHERE t.project_id = {project} AND t.id IN ({traces}) "
        "ORDER BY t._part_index, t._part_offset LIMIT 1 BY t.id"
    )


def trace_lookup(project: str, chunk: str, params: Params) -> Lookup:
    """The columns that an observation has from its trace.

    Args:
        project: The placeholder of the project id.
        chunk: A query for the trace ids of a chunk.
        params: Where its values are bound.
    """
    sql = (
        f"SELECT key, name AS traceName, {json_text('tags')} AS traceTags, "
        f"{plain_time('timestamp')} AS traceTimestamp, user_id AS userId "
        f"FROM ({shown_traces(project, chunk)})"
    )
    return Lookup(
        key="traceId",
        scope=LookupScope.CHUNK,
        statement=Statement(store=Store.CLICKHOUSE, sql=sql, params=params.values, threads=1),
        defaults=_WITHOUT_TRACE,
    )


def with_trace_search(
    selection: ScanPredicates,
    query: BatchExportQuery,
    row_columns: SearchColumns,
    trace_columns: SearchColumns,
    params: Params,
) -> ScanPredicates:
    """The selection with the search added, which by id also looks at the trace's user.

    The row's verdict is carried along as ``found``, so that the wide columns are searched while the
    scan streams by, and only the verdict meets the trace.
    """
    on_row = search_condition(query, row_columns, params)
    if on_row is None:
        return selection
    if SearchType.ID not in query.search_type:
        return replace(selection, row=(*selection.row, on_row))
    by_id = query.model_copy(update={"search_type": (SearchType.ID,)})
    on_trace = search_condition(by_id, trace_columns, params)
    return replace(
        selection,
        carried={**selection.carried, "found": f"ifNull({on_row}, 0)"},
        late=(*selection.late, f"n.found OR ifNull({on_trace}, 0)"),
        relations=selection.relations | {TRACE_ALIAS},
    )
