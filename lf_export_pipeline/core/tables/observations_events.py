"""Observations from the table ``events_full``, in the columns that the legacy export has."""

from collections.abc import Mapping

from lf_export_pipeline.core.comments import apply_comment_filters, comment_prerequisites
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
from lf_export_pipeline.core.query import Answers, ExportQuery
from lf_export_pipeline.core.reading import row_size_sample
from lf_export_pipeline.core.request import ExportFormat, ExportLimits, ExportRequest
from lf_export_pipeline.core.scores import (
    NAMES_ANSWER,
    score_headers,
    score_names,
    score_names_statement,
)
from lf_export_pipeline.core.selection import time_from
from lf_export_pipeline.core.statement import Statement, Store
from lf_export_pipeline.core.tables.event_filters import event_filter_table
from lf_export_pipeline.core.tables.event_reading import (
    EVENTS,
    METADATA_NAMES,
    METADATA_VALUES,
    TRACE_NAME,
    WIDE_COLUMNS,
    EventReading,
)
from lf_export_pipeline.core.tables.observation_columns import observation_columns

_FIELDS = {
    "id": "t.span_id",
    "traceId": "t.trace_id",
    "startTime": iso_time("t.start_time"),
    "endTime": iso_time("t.end_time"),
    "projectId": "t.project_id",
    "parentObservationId": "t.parent_span_id",
    "type": "toString(t.type)",
    "environment": "toString(t.environment)",
    "name": "t.name",
    "level": "toString(t.level)",
    "statusMessage": "t.status_message",
    "version": "t.version",
    "createdAt": iso_time("t.created_at"),
    "updatedAt": iso_time("t.updated_at"),
    "metadata": parsed_map(METADATA_NAMES, METADATA_VALUES),
    "model": "t.provided_model_name",
    "internalModelId": "t.model_id",
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
    "traceName": TRACE_NAME,
    "traceTags": json_text("t.tags"),
    "traceTimestamp": "CAST(NULL, 'Nullable(String)')",  # Langfuse: spans do not know it
    "userId": "t.user_id",
    "toolDefinitionsCount": "toString(length(t.tool_definitions))",
    "toolCallsCount": "toString(length(t.tool_calls))",
}

FILTER_TABLE = event_filter_table("observations")
_TIME_SPELLINGS = ("Start Time",)  # Langfuse: the UI name only


class ObservationsFromEvents:
    """One row per span, its newest version, the latest start first."""

    name = "observations"

    def prerequisites(
        self, request: ExportRequest, limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """Score names, and the ids that comment filters select."""
        lower = time_from(request.query.filter, _TIME_SPELLINGS)
        names = score_names_statement(request.project_id, request.created_at, lower, Store.EVENTS)
        return {NAMES_ANSWER: names, **comment_prerequisites(request, "OBSERVATION", limits)}

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Values as in the legacy export; scores of the span and of its trace, of any age."""
        comments = apply_comment_filters(request, answers, limits)
        names = score_names(answers)
        columns = observation_columns(request.format)
        reading = EventReading(request, FILTER_TABLE, scores_from=None)
        return ExportQuery(
            request=request,
            columns=columns,
            score_columns=score_headers(names, (column.name for column in columns)),
            key_scan=reading.key_scan(comments, limits),
            chunk_rows=reading.chunk_rows(_FIELDS | _texts(request.format)),
            sample=row_size_sample(EVENTS, request.project_id, WIDE_COLUMNS),
            bounds=tuple(bound.type for bound in EVENTS.bounds),
            lookups=(
                comments_lookup("OBSERVATION", request.project_id),
                models_lookup(request.project_id, "internalModelId"),
                *reading.score_lookups(names),
            ),
            row_limit=limits.row_limit,
        )


def _texts(file_format: ExportFormat) -> dict[str, str]:
    """Input and output, which are missing where they are empty."""
    if file_format is ExportFormat.CSV:
        return {name: f"nullIf(t.{name}, '')" for name in ("input", "output")}
    return json_or_text("t.input", "input") | json_or_text("t.output", "output")
