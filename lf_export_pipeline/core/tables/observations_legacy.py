"""Observations from the tables ``observations`` and ``traces``, which the events table replaces."""

from collections.abc import Mapping

from lf_export_pipeline.core.comments import (
    CommentSelection,
    apply_comment_filters,
    comment_prerequisites,
)
from lf_export_pipeline.core.expressions import (
    cost_of_keys,
    iso_time,
    json_or_text,
    json_text,
    parsed_map,
    seconds_between,
    sum_of_keys,
    unwrapped_json_or_text,
)
from lf_export_pipeline.core.lookups import comments_lookup, models_lookup
from lf_export_pipeline.core.query import Answers, ExportQuery, Lookup
from lf_export_pipeline.core.reading import (
    Bound,
    ChunkRows,
    KeyScan,
    Relation,
    VersionedTable,
    all_of,
    row_size_sample,
)
from lf_export_pipeline.core.request import ExportFormat, ExportLimits, ExportRequest
from lf_export_pipeline.core.scores import (
    NAMES_ANSWER,
    SCORE_KEY,
    ScoreGroups,
    newest_scores,
    score_cells_lookup,
    score_headers,
    score_names,
    score_names_statement,
)
from lf_export_pipeline.core.search import SearchColumns
from lf_export_pipeline.core.selection import Selection, select, time_from
from lf_export_pipeline.core.statement import Params, Statement, Store
from lf_export_pipeline.core.tables.observation_columns import observation_columns
from lf_export_pipeline.core.tables.observation_filters import FILTER_TABLE
from lf_export_pipeline.core.tables.observation_traces import (
    TRACE_ALIAS,
    shown_traces,
    trace_lookup,
    with_trace_search,
)

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
    "traceId": "t.trace_id",
    "startTime": iso_time("t.start_time"),
    "endTime": iso_time("t.end_time"),
    "projectId": "t.project_id",
    "parentObservationId": "t.parent_observation_id",
    "type": "toString(t.type)",
    "environment": "toString(t.environment)",
    "name": "t.name",
    "level": "toString(t.level)",
    "statusMessage": "t.status_message",
    "version": "t.version",
    "createdAt": iso_time("t.created_at"),
    "updatedAt": iso_time("t.updated_at"),
    "metadata": parsed_map("mapKeys(t.metadata)", "mapValues(t.metadata)"),
    "model": "t.provided_model_name",
    "internalModelId": "t.internal_model_id",
    **unwrapped_json_or_text("t.model_parameters", "modelParameters"),
    "completionStartTime": iso_time("t.completion_start_time"),
    "promptId": "t.prompt_id",
    "promptName": "t.prompt_name",
    "promptVersion": "toString(nullIf(t.prompt_version, 0))",
    "latency": seconds_between("t.start_time", "t.end_time"),
    "timeToFirstToken": seconds_between("t.start_time", "t.completion_start_time"),
    "providedUsageDetails": json_text("t.provided_usage_details"),
    "usageDetails": json_text("t.usage_details"),
    "costDetails": json_text("t.cost_details"),
    "providedCostDetails": json_text("t.provided_cost_details"),
    "inputCost": cost_of_keys("t.cost_details", "input"),
    "outputCost": cost_of_keys("t.cost_details", "output"),
    "totalCost": "toString(t.cost_details['total'])",
    "inputUsage": f"toString({sum_of_keys('t.usage_details', 'input')})",
    "outputUsage": f"toString({sum_of_keys('t.usage_details', 'output')})",
    "totalUsage": "toString(t.usage_details['total'])",
    "usagePricingTierId": "t.usage_pricing_tier_id",
    "usagePricingTierName": "t.usage_pricing_tier_name",
    "toolDefinitions": json_text("t.tool_definitions"),
    "toolCalls": json_text("t.tool_calls"),
    "toolCallNames": json_text("t.tool_call_names"),
    "toolDefinitionsCount": "toString(length(t.tool_definitions))",
    "toolCallsCount": "toString(length(t.tool_calls))",
    SCORE_KEY: "concat(t.trace_id, '\\0', t.id)",
}

_SEARCH = SearchColumns(("t.id", "t.name"), "t.input", "t.output")
_SEARCH_TRACE = SearchColumns((f"{TRACE_ALIAS}.user_id",), "", "")
_TIME_SPELLINGS = ("Start Time",)  # Langfuse: the UI name only
_SCORE_KEY_OF_GROUP = "concat(trace_id, '\\0', observation_id)"
_SCORE_GROUPING = ("trace_id", "observation_id", "comment", "execution_trace_id")


class LegacyObservations:
    """One row per observation, its newest version, beside its trace."""

    name = "observations"

    def prerequisites(
        self, request: ExportRequest, limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """Score names, and the ids that comment filters select."""
        lower = time_from(request.query.filter, _TIME_SPELLINGS)
        names = score_names_statement(request.project_id, request.created_at, lower)
        return {NAMES_ANSWER: names, **comment_prerequisites(request, "OBSERVATION", limits)}

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Reads by type, day and id; scores count for the observation they name, in its trace."""
        comments = apply_comment_filters(request, answers, limits)
        names = score_names(answers)
        columns = observation_columns(request.format)
        return ExportQuery(
            request=request,
            columns=columns,
            score_columns=score_headers(names, (column.name for column in columns)),
            key_scan=None if comments.nothing_matches else _key_scan(request, comments, limits),
            chunk_rows=_chunk_rows(request),
            sample=row_size_sample(
                OBSERVATIONS, request.project_id, ("t.input", "t.output", "t.metadata")
            ),
            bounds=tuple(bound.type for bound in OBSERVATIONS.bounds),
            lookups=_lookups(request.project_id, names),
            row_limit=limits.row_limit,
        )


def _key_scan(
    request: ExportRequest, comments: CommentSelection, limits: ExportLimits
) -> Statement:
    params = Params()
    project = params.bind(request.project_id, "String")
    filters = (*comments.filters, *comments.id_filters())
    selection = select(filters, FILTER_TABLE, OBSERVATIONS.time, request.created_at, params)
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


def _relations(project: str, selection: Selection) -> dict[str, Relation]:
    traces = (
        f"SELECT t.trace_id FROM observations AS t WHERE t.project_id = {project} "
        f"AND {all_of(selection.time_range)}"
    )
    known = {
        TRACE_ALIAS: Relation(shown_traces(project, traces), on="trace_id"),
        "s": Relation(_scores(project, traces).relation(), on="score_key"),
    }
    return {alias: known[alias] for alias in sorted(selection.relations)}


def _scores(project: str, traces: str) -> ScoreGroups:
    scores = newest_scores(project, f"t.trace_id IN ({traces})")
    return ScoreGroups(scores, _SCORE_KEY_OF_GROUP, _SCORE_GROUPING)


def _chunk_rows(request: ExportRequest) -> Statement:
    params = Params()
    project = params.bind(request.project_id, "String")
    if request.format is ExportFormat.CSV:
        texts = {name: f"nullIf(t.{name}, '')" for name in ("input", "output")}
    else:
        texts = json_or_text("t.input", "input") | json_or_text("t.output", "output")
    return ChunkRows(OBSERVATIONS, project, _FIELDS | texts).statement(params)


def _lookups(project_id: str, names: tuple[str, ...]) -> tuple[Lookup, ...]:
    params = Params()
    project = params.bind(project_id, "String")
    chunk = f"SELECT t.trace_id FROM observations AS t WHERE {OBSERVATIONS.chunk(project)}"
    traces = trace_lookup(project, chunk, params)
    found = (
        comments_lookup("OBSERVATION", project_id),
        models_lookup(project_id, "internalModelId"),
        traces,
    )
    if not names:
        return found
    return (*found, score_cells_lookup(_scores(project, chunk).entries(), names, params))
