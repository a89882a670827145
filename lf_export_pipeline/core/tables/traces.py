"""Traces, from the table ``traces``."""

from dataclasses import replace
from functools import partial

from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.comments import CommentSelection
from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, ValueType
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup
from lf_export_pipeline.core.query.expressions import iso_time, json_text
from lf_export_pipeline.core.query.key_scan import (
    Bound,
    KeyScan,
    Relation,
    VersionedTable,
)
from lf_export_pipeline.core.query.lookups import comments_lookup
from lf_export_pipeline.core.query.score_columns import (
    SCORE_ALIAS,
    SCORE_FILTER_COLUMNS,
    SCORE_KEY,
    ScoreGroups,
    scores_of_traces,
)
from lf_export_pipeline.core.query.search import SearchColumns, search_condition
from lf_export_pipeline.core.query.selection import ScanPredicates, select
from lf_export_pipeline.core.query.statement import Params, Statement, Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.core.tables.trace_observations import (
    ALIAS as OBSERVATIONS_ALIAS,
)
from lf_export_pipeline.core.tables.trace_observations import (
    OBSERVATION_COLUMNS,
    observation_totals,
)
from lf_export_pipeline.core.tables.tracing import TableContext, TracingTable

TRACES = VersionedTable(
    name="traces",
    store=Store.CLICKHOUSE,
    identity="t.id",
    time="t.timestamp",
    sorting_key=("toDate(t.timestamp)", "t.id"),
    bounds=(Bound("toDate(t.timestamp)", "Date"), Bound("t.id", "String")),
)

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="timestamp", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="name"),
    OutputColumn(name="userId"),
    OutputColumn(name="sessionId"),
    OutputColumn(name="release"),
    OutputColumn(name="version"),
    OutputColumn(name="environment"),
    OutputColumn(name="tags", kind=Kind.JSON, type=ColumnType.TEXTS),
    OutputColumn(name="bookmarked", kind=Kind.JSON, type=ColumnType.BOOLEAN),
    OutputColumn(name="public", kind=Kind.JSON, type=ColumnType.BOOLEAN),
    OutputColumn(name="input", type=ColumnType.PAYLOAD),
    OutputColumn(name="output", type=ColumnType.PAYLOAD),
    OutputColumn(name="metadata", kind=Kind.JSON, type=ColumnType.TEXT_MAP),
    OutputColumn(name="comments", kind=Kind.PRETTY_JSON, type=ColumnType.PAYLOAD),
)

_FIELDS = {
    "id": "t.id",
    "timestamp": iso_time("t.timestamp"),
    "name": "t.name",
    "userId": "t.user_id",
    "sessionId": "t.session_id",
    "release": "t.release",
    "version": "t.version",
    "environment": "toString(t.environment)",
    "tags": json_text("t.tags"),
    "bookmarked": "toString(t.bookmarked)",
    "public": "toString(t.public)",
    "input": "t.input",
    "output": "t.output",
    "metadata": json_text("t.metadata"),
    SCORE_KEY: "t.id",
}

_SEARCH = SearchColumns(("t.id", "t.user_id", "t.name"), "t.input", "t.output")
_SCORE_GROUPING = ("trace_id", "execution_trace_id")


def _rule_id(metadata: str) -> str:
    rule = f"{metadata}['evaluation_rule_id']"
    return f"if(notEmpty({rule}), {rule}, {metadata}['job_configuration_id'])"


_TEXT, _OPTIONS = ValueType.STRING, "stringOptions"
FILTER_TABLE = FilterTable(
    "traces",
    (
        FilterColumn(("bookmarked", "⭐️"), "t.bookmarked", ValueType.BOOLEAN, "bookmarked"),
        FilterColumn(("id", "ID"), "t.id", _TEXT, "id"),
        FilterColumn(("traceId", "Trace ID"), "t.id", _TEXT),
        FilterColumn(("name", "Name"), "t.name", _TEXT),
        FilterColumn(("traceName", "Trace Name"), "t.name", _TEXT, "traceName", _OPTIONS),
        FilterColumn(("timestamp", "Timestamp"), TRACES.time, ValueType.DATETIME, "timestamp"),
        FilterColumn(("userId", "User ID"), "t.user_id", _TEXT, "userId", nullable=True),
        FilterColumn(
            ("sessionId", "Session ID"), "t.session_id", _TEXT, "sessionId", nullable=True
        ),
        FilterColumn(("metadata", "Metadata"), "t.metadata", ValueType.STRING_MAP, "metadata"),
        FilterColumn(
            ("evaluatorId", "Evaluator ID"),
            "t.metadata['evaluator_id']",
            _TEXT,
            "evaluatorId",
            _OPTIONS,
        ),
        FilterColumn(("ruleId", "Rule ID"), _rule_id("t.metadata"), _TEXT, "ruleId", _OPTIONS),
        FilterColumn(("version", "Version"), "t.version", _TEXT, "version", nullable=True),
        FilterColumn(("release", "Release"), "t.release", _TEXT, "release", nullable=True),
        FilterColumn(
            ("environment", "Environment"), "t.environment", _TEXT, "environment", _OPTIONS
        ),
        FilterColumn(("tags", "Tags"), "t.tags", ValueType.STRING_ARRAY),
        FilterColumn(("traceTags", "Trace Tags"), "t.tags", ValueType.STRING_ARRAY, "traceTags"),
        *SCORE_FILTER_COLUMNS,
        *OBSERVATION_COLUMNS,
    ),
)


class Traces(TracingTable):
    """One row per trace, its newest version; the UI's order is not kept, as in the original."""

    name = "traces"
    reads = (
        *stored_in(Store.CLICKHOUSE, "traces", "observations", "scores"),
        *stored_in(Store.POSTGRES, "comments", "users"),
    )
    columns = COLUMNS
    table = TRACES
    object_type = "TRACE"
    time_spellings = ("Timestamp",)  # Langfuse: the UI name only
    wide_columns = ("t.input", "t.output", "t.metadata", "t.tags")
    window_column = WindowColumn(FILTER_TABLE.names_of(TRACES.time))

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Reads by day and id; scores of all levels are averaged per trace."""
        return self.query(
            request,
            answers,
            limits,
            columns=COLUMNS,
            key_scan=partial(_key_scan, request, limits),
            fields=_FIELDS,
            lookups=partial(_lookups, request.project_id),
        )


def _key_scan(
    request: ExportRequest, limits: ExportLimits, comments: CommentSelection
) -> Statement:
    params = Params()
    project = params.bind(request.project_id, "String")
    filters = (*comments.filters, *comments.id_filters())
    selection = select(filters, FILTER_TABLE, TRACES.time_column, request, params)
    search = search_condition(request.query, _SEARCH, params)
    if search is not None:
        selection = replace(selection, row=(*selection.row, search))
    scan = KeyScan(
        table=TRACES,
        project=project,
        selection=selection,
        relations=_relations(project, selection),
        row_limit=limits.row_limit,
    )
    return scan.statement(params)


def _relations(project: str, selection: ScanPredicates) -> dict[str, Relation]:
    in_range = (
        f"SELECT t.id FROM traces AS t WHERE t.project_id = {project} AND {selection.time_range}"
    )
    traces = in_range if selection.is_bounded else None
    known = {
        SCORE_ALIAS: _scores(project, traces).relation(),
        OBSERVATIONS_ALIAS: observation_totals(project, traces),
    }
    return {alias: Relation(known[alias], on="id") for alias in sorted(selection.relations)}


def _lookups(project_id: str, extras: TableContext) -> tuple[Lookup, ...]:
    comments = comments_lookup("TRACE", project_id, are_few=extras.few_comments)
    if not extras.score_names:
        return (comments,)
    params = Params()
    project = params.bind(project_id, "String")
    chunk = f"SELECT t.id FROM traces AS t WHERE {TRACES.chunk(project)}"
    scores = _scores(project, None if extras.few_scores else chunk)
    return (comments, extras.score_cells(scores, params))


def _scores(project: str, traces: str | None) -> ScoreGroups:
    return scores_of_traces(project, traces, "trace_id", _SCORE_GROUPING)


register(Traces())
