"""Events, as the table ``events_full`` holds them."""

from functools import partial

from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup
from lf_export_pipeline.core.query.expressions import json_text, plain_time
from lf_export_pipeline.core.query.lookups import comments_lookup
from lf_export_pipeline.core.query.selection import time_from
from lf_export_pipeline.core.query.statement import Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.core.tables.event_filters import event_filter_table
from lf_export_pipeline.core.tables.event_reading import (
    EVENTS,
    EVENTS_ORDER,
    METADATA_NAMES,
    METADATA_VALUES,
    SCORE_FIELD,
    TRACE_NAME,
    WIDE_COLUMNS,
    EventReading,
)
from lf_export_pipeline.core.tables.tracing import TableContext, TracingTable

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="traceId"),
    OutputColumn(name="traceName"),
    OutputColumn(name="type"),
    OutputColumn(name="name"),
    OutputColumn(name="startTime", type=ColumnType.INSTANT),
    OutputColumn(name="endTime", type=ColumnType.INSTANT),
    OutputColumn(name="completionStartTime", type=ColumnType.INSTANT),
    OutputColumn(name="environment"),
    OutputColumn(name="version"),
    OutputColumn(name="userId"),
    OutputColumn(name="sessionId"),
    OutputColumn(name="level"),
    OutputColumn(name="statusMessage", type=ColumnType.PAYLOAD),
    OutputColumn(name="promptName"),
    OutputColumn(name="promptId"),
    OutputColumn(name="promptVersion", kind=Kind.JSON, type=ColumnType.INTEGER),
    OutputColumn(name="modelId"),
    OutputColumn(name="providedModelName"),
    OutputColumn(name="modelParameters", type=ColumnType.PAYLOAD),
    OutputColumn(name="usageDetails", kind=Kind.JSON, type=ColumnType.USAGE_MAP),
    OutputColumn(name="costDetails", kind=Kind.JSON, type=ColumnType.COST_MAP),
    OutputColumn(name="totalCost", kind=Kind.DOUBLE, type=ColumnType.COST),
    OutputColumn(name="input", type=ColumnType.PAYLOAD),
    OutputColumn(name="output", type=ColumnType.PAYLOAD),
    OutputColumn(name="metadata", kind=Kind.JSON, type=ColumnType.TEXT_MAP),
    OutputColumn(name="latencyMs", kind=Kind.JSON, type=ColumnType.INTEGER),
    OutputColumn(name="timeToFirstTokenMs", kind=Kind.JSON, type=ColumnType.INTEGER),
    OutputColumn(name="tags", kind=Kind.JSON, type=ColumnType.TEXTS),
    OutputColumn(name="release"),
    OutputColumn(name="parentObservationId"),
    OutputColumn(name="comments", kind=Kind.PRETTY_JSON, type=ColumnType.PAYLOAD),
)


def _milliseconds_to(column: str) -> str:
    return f"toString(dateDiff('millisecond', t.start_time, t.{column}))"


_FIELDS = {
    "id": "t.span_id",
    "traceId": "t.trace_id",
    "traceName": TRACE_NAME,
    "type": "toString(t.type)",
    "name": "t.name",
    "startTime": plain_time("t.start_time"),
    "endTime": plain_time("t.end_time"),
    "completionStartTime": plain_time("t.completion_start_time"),
    "environment": "toString(t.environment)",
    "version": "t.version",
    "userId": "t.user_id",
    "sessionId": "t.session_id",
    "level": "toString(t.level)",
    "statusMessage": "t.status_message",
    "promptName": "t.prompt_name",
    "promptId": "t.prompt_id",
    "promptVersion": "toString(t.prompt_version)",
    "modelId": "t.model_id",
    "providedModelName": "t.provided_model_name",
    "modelParameters": "t.model_parameters",
    "usageDetails": json_text("t.usage_details"),
    "costDetails": json_text("t.cost_details"),
    "totalCost": "toString(t.cost_details['total'])",
    "input": "t.input",
    "output": "t.output",
    "metadata": json_text(f"mapFromArrays({METADATA_NAMES}, {METADATA_VALUES})"),
    "latencyMs": _milliseconds_to("end_time"),
    "timeToFirstTokenMs": _milliseconds_to("completion_start_time"),
    "tags": json_text("t.tags"),
    "release": "t.release",
    "parentObservationId": "t.parent_span_id",
}

FILTER_TABLE = event_filter_table("events")


class Events(TracingTable):
    """One row per span, its newest version, the latest start first (Langfuse: in any UI order)."""

    name = "events"
    reads = (
        *stored_in(Store.CLICKHOUSE, "scores"),
        *stored_in(Store.EVENTS, "events_full"),
        *stored_in(Store.POSTGRES, "comments", "users"),
    )
    columns = COLUMNS
    table = EVENTS
    object_type = "OBSERVATION"
    time_spellings = ("startTime", "Start Time")
    wide_columns = WIDE_COLUMNS
    order = EVENTS_ORDER
    window_column = WindowColumn(FILTER_TABLE.names_of(EVENTS.time))

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Values as ClickHouse holds them; a lower bound on time also bounds the scores."""
        lower = time_from(request.query.filter, self.time_spellings)
        reading = EventReading(request, FILTER_TABLE, scores_from=lower)
        return self.query(
            request,
            answers,
            limits,
            columns=COLUMNS,
            key_scan=partial(reading.key_scan, limits=limits),
            fields=_FIELDS | SCORE_FIELD,
            lookups=partial(_lookups, reading),
        )


def _lookups(reading: EventReading, extras: TableContext) -> tuple[Lookup, ...]:
    comments = comments_lookup(
        "OBSERVATION", reading.request.project_id, are_few=extras.few_comments
    )
    return (comments, *reading.score_lookups(extras.score_names))


register(Events())
