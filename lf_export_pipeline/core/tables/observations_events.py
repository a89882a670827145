"""Observations from the table ``events_full``, in the columns that the legacy export has."""

from functools import partial

from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup
from lf_export_pipeline.core.query.expressions import json_text, metadata_map
from lf_export_pipeline.core.query.lookups import comments_lookup, models_lookup
from lf_export_pipeline.core.query.statement import Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportFormat, ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
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
from lf_export_pipeline.core.tables.observation_columns import observation_columns
from lf_export_pipeline.core.tables.observation_fields import (
    SHARED_FIELDS,
    TOOL_COLUMNS,
    input_and_output,
)
from lf_export_pipeline.core.tables.tracing import TableContext, TracingTable

_FIELDS = {
    "id": "t.span_id",
    **SHARED_FIELDS,
    "parentObservationId": "t.parent_span_id",
    "internalModelId": "t.model_id",
    "traceName": TRACE_NAME,
    "traceTags": json_text("t.tags"),
    "traceTimestamp": "CAST(NULL, 'Nullable(String)')",  # Langfuse: spans do not know it
    "userId": "t.user_id",
}

FILTER_TABLE = event_filter_table("observations")


class ObservationsFromEvents(TracingTable):
    """One row per span, its newest version, the latest start first."""

    name = "observations"
    reads = (
        *stored_in(Store.CLICKHOUSE, "scores"),
        *stored_in(Store.EVENTS, "events_full"),
        *stored_in(Store.POSTGRES, "models", "pricing_tiers", "prices", "comments", "users"),
    )
    columns = observation_columns(ExportFormat.JSON)
    table = EVENTS
    object_type = "OBSERVATION"
    time_spellings = ("Start Time",)  # Langfuse: the UI name only
    wide_columns = (*WIDE_COLUMNS, *TOOL_COLUMNS)
    order = EVENTS_ORDER
    window_column = WindowColumn(FILTER_TABLE.names_of(EVENTS.time))

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Values as in the legacy export; scores of the span and of its trace, of any age."""
        reading = EventReading(request, FILTER_TABLE, scores_from=None)
        metadata = metadata_map(request.format, METADATA_NAMES, METADATA_VALUES)
        fields = {**_FIELDS, "metadata": metadata, **input_and_output(request.format)} | SCORE_FIELD
        return self.query(
            request,
            answers,
            limits,
            columns=observation_columns(request.format),
            key_scan=partial(reading.key_scan, limits=limits),
            fields=fields,
            lookups=partial(_lookups, reading),
        )


def _lookups(reading: EventReading, extras: TableContext) -> tuple[Lookup, ...]:
    project_id = reading.request.project_id
    return (
        comments_lookup("OBSERVATION", project_id, are_few=extras.few_comments),
        models_lookup(project_id, "internalModelId"),
        *reading.score_lookups(extras.score_names),
    )
