"""Sessions: from the tables ``traces`` and ``observations``, or from ``events_core``."""

from collections.abc import Mapping

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.comments import apply_comment_filters, comment_preflight_queries
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup, LookupScope
from lf_export_pipeline.core.query.lookups import comments_lookup
from lf_export_pipeline.core.query.statement import Statement, Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.core.tables.session_events import SESSIONS_OF_EVENTS
from lf_export_pipeline.core.tables.session_filters import BOOKMARKED, CREATED_AT
from lf_export_pipeline.core.tables.session_statements import SessionReading, session_fields
from lf_export_pipeline.core.tables.session_traces import SESSIONS_OF_TRACES

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="userIds", kind=Kind.JSON, type=ColumnType.TEXTS),
    OutputColumn(name="countTraces", kind=Kind.JSON, type=ColumnType.INTEGER),
    OutputColumn(name="sessionDuration", kind=Kind.DOUBLE, type=ColumnType.DOUBLE),
    OutputColumn(name="inputCost", kind=Kind.QUOTED, type=ColumnType.COST_SUM),
    OutputColumn(name="outputCost", kind=Kind.QUOTED, type=ColumnType.COST_SUM),
    OutputColumn(name="totalCost", kind=Kind.QUOTED, type=ColumnType.COST_SUM),
    OutputColumn(name="totalTokens", kind=Kind.JSON, type=ColumnType.USAGE),
    OutputColumn(name="traceTags", kind=Kind.JSON, type=ColumnType.TEXTS),
    OutputColumn(name="createdAt", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="bookmarked", kind=Kind.JSON, type=ColumnType.BOOLEAN),
    OutputColumn(name="public", kind=Kind.JSON, type=ColumnType.BOOLEAN),
    OutputColumn(name="totalCount", kind=Kind.JSON, type=ColumnType.INTEGER),
    OutputColumn(name="comments", kind=Kind.PRETTY_JSON, type=ColumnType.PAYLOAD),
)

_BOOKMARKED_IDS = "bookmarked_sessions"
_BOOKMARKED_SESSIONS = "SELECT id FROM trace_sessions WHERE project_id = :project_id AND bookmarked"
_FLAGS = """
SELECT id AS key, CAST(bookmarked AS text) AS bookmarked, CAST(public AS text) AS public
FROM trace_sessions WHERE project_id = :project_id AND id = ANY(:keys)
"""


class Sessions:
    """One row per session, in the order of the user's table.

    Langfuse: a search is ignored; the cutoff is about a session's first trace, and its later ones
    count. Different: durations are seconds, and null where there is no observation; sums keep all
    digits; bookmarks are tested as often as filters ask.
    """

    name = "sessions"
    reads = (
        *stored_in(Store.CLICKHOUSE, "traces", "observations", "scores"),
        *stored_in(Store.EVENTS, "events_core"),
        *stored_in(Store.POSTGRES, "trace_sessions", "comments", "users"),
    )
    columns = COLUMNS
    has_score_columns = False
    window_column = WindowColumn(CREATED_AT, is_of_parts=True)

    def preflight_queries(
        self, request: ExportRequest, limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """The ids that comment filters select, and where they matter the bookmarked ones."""
        asked: dict[str, Statement] = dict(comment_preflight_queries(request, "SESSION", limits))
        named = {each.column for each in request.query.filter}
        if request.query.order_by is not None:
            named.add(request.query.order_by.column)
        if not named.isdisjoint(BOOKMARKED):
            params = {"project_id": request.project_id}
            asked[_BOOKMARKED_IDS] = Statement(
                store=Store.POSTGRES, sql=_BOOKMARKED_SESSIONS, params=params
            )
        return asked

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Adds up for the scan what filters and order need, for a chunk all columns."""
        comments = apply_comment_filters(request, answers, limits)
        filters = (*comments.filters, *comments.id_filters())
        bookmarked = tuple(str(row[0]) for row in answers.get(_BOOKMARKED_IDS, []))
        source = SESSIONS_OF_EVENTS if request.query.use_events_table else SESSIONS_OF_TRACES
        reading = SessionReading(request, source, filters, bookmarked)
        scan = None if comments.nothing_matches else reading.key_scan(limits.row_limit)
        lookups = (
            _flags_lookup(request.project_id),
            comments_lookup("SESSION", request.project_id),
        )
        chosen = chosen_columns(request, COLUMNS, lookups)
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            key_scan=scan,
            chunk_rows=reading.chunk_rows(chosen.fields(session_fields(request.format))),
            sample=None,  # adding up some sessions costs as much as adding up all
            lookups=chosen.lookups,
            row_limit=limits.row_limit,
            source=source.row_source,
        )


def _flags_lookup(project_id: str) -> Lookup:
    """``bookmarked`` and ``public``; a session that nobody has touched has no row in Postgres."""
    statement = Statement(store=Store.POSTGRES, sql=_FLAGS, params={"project_id": project_id})
    return Lookup(
        key="id",
        scope=LookupScope.BATCH,
        statement=statement,
        defaults={"bookmarked": "false", "public": "false"},
    )


register(Sessions())
