"""Whether the server that a chunk was read from knows what the key scan knew.

Behind one address there may be several replicas, and one that lags behind the scan's lacks rows
without saying so: they look as if somebody had deleted them. So the scan also tells the newest
``event_ts`` of the project that its own server had, and whoever counts the rows of a short chunk
learns the same of the server that counts, in the same statement. Replicas take over what was
inserted in the order in which it was, so a server that knows that instant knows the rows too.

Only rows of the last day before the cutoff, and younger ones, are asked: the tables are sorted by
project and day, so that costs little, and of a project that had none replicas have long the same.
"""

from datetime import timedelta

from lf_export_pipeline.core.query.export_query import ExportQuery
from lf_export_pipeline.core.query.statement import Params, Statement

NEWEST = "newest"
_RECENT = timedelta(days=1)


def with_newest(scan: Statement, query: ExportQuery) -> Statement:
    """The key scan with a column ``newest``, in milliseconds; 0: there is nothing to compare."""
    newest = _newest(query)
    if newest is None:
        return scan
    sql = f"SELECT s.*, {newest.sql} AS {NEWEST} FROM (\n{scan.sql}\n) AS s"
    return scan.model_copy(update={"sql": sql, "params": {**scan.params, **newest.params}})


def count_of(rows: Statement, query: ExportQuery) -> Statement:
    """How many rows a statement gives, and ``newest`` of the server that has counted them.

    The store reads no column that only shows the rows.
    """
    newest = _newest(query)
    columns = "count(*) AS rows"
    if newest is not None:
        columns += f", {newest.sql} AS {NEWEST}"
        rows = rows.model_copy(update={"params": {**rows.params, **newest.params}})
    return rows.model_copy(update={"sql": f"SELECT {columns} FROM (\n{rows.sql}\n) AS r"})


def _newest(query: ExportQuery) -> Statement | None:
    """An expression; None for what is not in ClickHouse: Langfuse has one Postgres."""
    request, source = query.request, query.source
    if source is None:
        return None
    params = Params("f")
    project = params.bind(request.project_id, "String")
    since = params.instant(request.created_at - _RECENT)
    sql = (
        f"ifNull((SELECT toUnixTimestamp64Milli(max(t.event_ts)) FROM {source.table} AS t "
        f"WHERE t.project_id = {project} AND {source.time} >= {since}), 0)"
    )
    return Statement(store=source.store, sql=sql, params=params.values)
