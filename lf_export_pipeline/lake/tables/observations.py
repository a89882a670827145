"""Observations: of the events table where Langfuse writes nothing else, otherwise of the old one.

The columns are those of Langfuse's enriched observations, which have those of the old table among
them. What is of the trace is null in rows of the old table, which does not know it.
"""

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.tables.event_reading import METADATA_NAMES, METADATA_VALUES
from lf_export_pipeline.lake.source import (
    LakeColumn,
    LakeTable,
    Source,
    day_part,
    hash_part,
    instant_part,
    minute_part,
    plain,
    text_part,
)

_OWN = (
    LakeColumn("id"),
    LakeColumn("trace_id"),
    LakeColumn("project_id"),
    LakeColumn("environment"),
    LakeColumn("type"),
    LakeColumn("parent_observation_id"),
    LakeColumn("start_time", ColumnType.INSTANT),
    LakeColumn("end_time", ColumnType.INSTANT),
    LakeColumn("name"),
    LakeColumn("metadata", ColumnType.TEXT_MAP),
    LakeColumn("level"),
    LakeColumn("status_message", ColumnType.PAYLOAD),
    LakeColumn("version"),
    LakeColumn("input", ColumnType.PAYLOAD),
    LakeColumn("output", ColumnType.PAYLOAD),
    LakeColumn("provided_model_name"),
    LakeColumn("model_parameters", ColumnType.PAYLOAD),
    LakeColumn("usage_details", ColumnType.USAGE_MAP),
    LakeColumn("cost_details", ColumnType.COST_MAP),
    LakeColumn("completion_start_time", ColumnType.INSTANT),
    LakeColumn("prompt_name"),
    LakeColumn("prompt_version", ColumnType.INTEGER),
    LakeColumn("total_cost", ColumnType.COST),
    LakeColumn("latency", ColumnType.DOUBLE),
    LakeColumn("time_to_first_token", ColumnType.DOUBLE),
    LakeColumn("model_id"),
    LakeColumn("created_at", ColumnType.INSTANT),
    LakeColumn("updated_at", ColumnType.INSTANT),
    LakeColumn("prompt_id"),
    LakeColumn("tool_calls", ColumnType.TEXTS),
    LakeColumn("tool_call_names", ColumnType.TEXTS),
    LakeColumn("tool_definitions", ColumnType.TEXT_MAP),
    LakeColumn("usage_pricing_tier_id"),
    LakeColumn("usage_pricing_tier_name"),
    LakeColumn("provided_usage_details", ColumnType.USAGE_MAP),
    LakeColumn("provided_cost_details", ColumnType.COST_MAP),
    LakeColumn("_version", ColumnType.INSTANT),
)

_OF_THE_TRACE = (
    LakeColumn("user_id"),
    LakeColumn("session_id"),
    LakeColumn("trace_name"),
    LakeColumn("tags", ColumnType.TEXTS),
    LakeColumn("release"),
    LakeColumn("bookmarked", ColumnType.BOOLEAN),
    LakeColumn("public", ColumnType.BOOLEAN),
)


def _seconds_to(column: str) -> str:
    return f"dateDiff('millisecond', t.start_time, t.{column}) / 1000"


_COMPUTED = {
    "latency": _seconds_to("end_time"),
    "time_to_first_token": _seconds_to("completion_start_time"),
    "_version": "t.event_ts",
}

_VERSION = "toUnixTimestamp64Micro(toDateTime64(t.event_ts, 6))"

_NARROW = (
    *("t.start_time", "t.environment", "t.trace_id", "t.name", "t.type", "t.level"),
    *("t.created_at", "t.updated_at", "t.usage_details", "t.cost_details"),
    *("t.tool_call_names", "t.end_time", "t.completion_start_time"),
    *("t.version", "t.provided_model_name", "t.prompt_id", "t.prompt_name", "t.prompt_version"),
    *("t.usage_pricing_tier_id", "t.usage_pricing_tier_name"),
)

_UNUSED_OF_EVENTS = frozenset(
    {
        *("is_deleted", "is_app_root", "source", "event_bytes", "blob_storage_file_path"),
        *("calculated_input_cost", "calculated_output_cost", "calculated_total_cost"),
        *("total_cost", "input_length", "output_length"),
        *("experiment_id", "experiment_name", "experiment_description", "experiment_dataset_id"),
        *("experiment_metadata_names", "experiment_metadata_values", "experiment_item_id"),
        *("experiment_item_version", "experiment_item_expected_output"),
        *("experiment_item_metadata_names", "experiment_item_metadata_values"),
        *("experiment_item_root_span_id", "service_name", "service_version"),
        *("scope_name", "scope_version", "telemetry_sdk_language", "telemetry_sdk_name"),
        *("telemetry_sdk_version", "ingestion_api_key", "ingestion_sdk_name"),
        "ingestion_sdk_version",
    }
)

LEGACY = Source(
    store=Store.CLICKHOUSE,
    table="observations",
    fields=plain(_OWN, model_id="t.internal_model_id", **_COMPUTED),
    key=(text_part("t.type"), day_part("t.start_time"), text_part("t.id")),
    identity="t.id",
    version=_VERSION,
    narrow=(*_NARROW, "t.internal_model_id", "t.total_cost", "t.parent_observation_id"),
    time="t.start_time",
)

EVENTS = Source(
    store=Store.EVENTS,
    table="events_full",
    fields=plain(
        (*_OWN, *_OF_THE_TRACE),
        id="t.span_id",
        parent_observation_id="t.parent_span_id",
        metadata=f"mapFromArrays({METADATA_NAMES}, {METADATA_VALUES})",
        total_cost="t.cost_details['total']",
        **_COMPUTED,
    ),
    key=(
        minute_part("t.start_time"),
        hash_part("xxHash32(t.trace_id)"),
        text_part("t.span_id"),
        instant_part("t.start_time"),
    ),
    identity="t.span_id",
    version=_VERSION,
    narrow=(
        *(*_NARROW, "t.model_id", "t.parent_span_id", "t.trace_name", "t.user_id", "t.session_id"),
        *("t.tags", "t.release", "t.bookmarked", "t.public"),
    ),
    time="t.start_time",
    unused=_UNUSED_OF_EVENTS,
)

OBSERVATIONS = LakeTable(
    name="observations", columns=(*_OWN, *_OF_THE_TRACE), sources=(EVENTS, LEGACY)
)
