"""Observations from the tables ``observations`` and ``traces``, which the events table replaces."""

from functools import partial

from lf_export_pipeline.core.query.comments import CommentSelection
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup
from lf_export_pipeline.core.query.expressions import metadata_map, pair_key
from lf_export_pipeline.core.query.key_scan import (
    Bound,
    KeyScan,
    Relation,
    VersionedTable,
)
from lf_export_pipeline.core.query.lookups import comments_lookup, models_lookup
from lf_export_pipeline.core.query.score_columns import SCORE_KEY, ScoreGroups, scores_of_traces
from lf_export_pipeline.core.query.search import SearchColumns
from lf_export_pipeline.core.query.selection import ScanPredicates, select
from lf_export_pipeline.core.query.statement import Params, Statement, Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportFormat, ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables.observation_columns import observation_columns
from lf_export_pipeline.core.tables.observation_fields import (
    SHARED_FIELDS,
    TOOL_COLUMNS,
    input_and_output,
)
from lf_export_pipeline.core.tables.observation_filters import FILTER_TABLE
from lf_export_pipeline.core.tables.observation_traces import (
    TRACE_ALIAS,
    shown_traces,
    trace_lookup,
    with_trace_search,
)
from lf_export_pipeline.core.tables.tracing import TableContext, TracingTable

OBSERVATIONS = VersionedTable(
    name="observations",
    store=Store.CLICKHOUSE,
    identity="t.id",
    time="t.start_time",
    sorting_key=("t.type", "toDate(t.start_time)", "t.id"),
    bounds=(
        Bound("t.type", "String"),
        Bound("toDate(t.start_time)", "Date"),
        Bound("t.id", "String"),
    ),
)

_FIELDS = {
    "id": "t.id",
    **SHARED_FIELDS,
    "parentObservationId": "t.parent_observation_id",
    "internalModelId": "t.internal_model_id",
    SCORE_KEY: pair_key("t.trace_id", "t.id"),
}

_SEARCH = SearchColumns(("t.id", "t.name"), "t.input", "t.output")
_SEARCH_TRACE = SearchColumns((f"{TRACE_ALIAS}.user_id",), "", "")
_SCORE_KEY_OF_GROUP = pair_key("trace_id", "observation_id")
_SCORE_GROUPING = ("trace_id", "observation_id", "comment", "execution_trace_id")

_WIDE_COLUMNS = ("t.input", "t.output", "t.metadata", "t.status_message", "t.model_parameters")


class LegacyObservations(TracingTable):
    """One row per observation, its newest version, beside its trace."""

    name = "observations"
    reads = (
        *stored_in(Store.CLICKHOUSE, "observations", "traces", "scores"),
        *stored_in(Store.POSTGRES, "models", "pricing_tiers", "prices", "comments", "users"),
    )
    columns = observation_columns(ExportFormat.JSON)
    table = OBSERVATIONS
    object_type = "OBSERVATION"
    time_spellings = ("Start Time",)  # Langfuse: the UI name only
    wide_columns = (*_WIDE_COLUMNS, *TOOL_COLUMNS)
    window_column = WindowColumn(FILTER_TABLE.names_of(OBSERVATIONS.time))

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Reads by type, day and id; scores count for the observation they name, in its trace."""
        return self.query(
            request,
            answers,
            limits,
            columns=observation_columns(request.format),
            key_scan=partial(_key_scan, request, limits),
            fields=_fields(request.format),
            lookups=partial(_lookups, request.project_id),
        )


def _key_scan(
    request: ExportRequest, limits: ExportLimits, comments: CommentSelection
) -> Statement:
    params = Params()
    project = params.bind(request.project_id, "String")
    filters = (*comments.filters, *comments.id_filters())
    selection = select(filters, FILTER_TABLE, OBSERVATIONS.time_column, request, params)
    selection = with_trace_search(selection, request.query, _SEARCH, _SEARCH_TRACE, params)
    scan = KeyScan(
        table=OBSERVATIONS,
        project=project,
        selection=selection,
        carried={"trace_id": "t.trace_id", "score_key": _FIELDS[SCORE_KEY]},
        relations=_relations(project, selection),
        row_limit=limits.row_limit,
    )
    return scan.statement(params)


def _relations(project: str, selection: ScanPredicates) -> dict[str, Relation]:
    traces = (
        f"SELECT t.trace_id FROM observations AS t WHERE t.project_id = {project} "
        f"AND {selection.time_range}"
    )
    scores = _scores(project, traces if selection.is_bounded else None)
    known = {
        TRACE_ALIAS: Relation(shown_traces(project, traces), on="trace_id"),
        "s": Relation(scores.relation(), on="score_key"),
    }
    return {alias: known[alias] for alias in sorted(selection.relations)}


def _scores(project: str, traces: str | None) -> ScoreGroups:
    return scores_of_traces(project, traces, _SCORE_KEY_OF_GROUP, _SCORE_GROUPING)


def _fields(file_format: ExportFormat) -> dict[str, str]:
    metadata = metadata_map(file_format, "mapKeys(t.metadata)", "mapValues(t.metadata)")
    return {**_FIELDS, "metadata": metadata, **input_and_output(file_format)}


def _lookups(project_id: str, extras: TableContext) -> tuple[Lookup, ...]:
    params = Params()
    project = params.bind(project_id, "String")
    chunk = f"SELECT t.trace_id FROM observations AS t WHERE {OBSERVATIONS.chunk(project)}"
    traces = trace_lookup(project, chunk, params)
    found = (
        comments_lookup("OBSERVATION", project_id, are_few=extras.few_comments),
        models_lookup(project_id, "internalModelId"),
        traces,
    )
    if not extras.score_names:
        return found
    scores = _scores(project, None if extras.few_scores else chunk)
    return (*found, extras.score_cells(scores, params))
