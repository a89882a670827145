"""Scores."""

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.lake.source import LakeColumn, LakeTable, Source, day_part, plain, text_part

_COLUMNS = (
    LakeColumn("id"),
    LakeColumn("timestamp", ColumnType.INSTANT),
    LakeColumn("project_id"),
    LakeColumn("environment"),
    LakeColumn("trace_id"),
    LakeColumn("observation_id"),
    LakeColumn("session_id"),
    LakeColumn("dataset_run_id"),
    LakeColumn("name"),
    LakeColumn("value", ColumnType.DOUBLE),
    LakeColumn("source"),
    LakeColumn("comment", ColumnType.PAYLOAD),
    LakeColumn("data_type"),
    LakeColumn("string_value", ColumnType.PAYLOAD),
    LakeColumn("created_at", ColumnType.INSTANT),
    LakeColumn("updated_at", ColumnType.INSTANT),
    LakeColumn("metadata", ColumnType.TEXT_MAP),
    LakeColumn("author_user_id"),
    LakeColumn("config_id"),
    LakeColumn("queue_id"),
    LakeColumn("execution_trace_id"),
    LakeColumn("long_string_value", ColumnType.PAYLOAD),
    LakeColumn("_version", ColumnType.INSTANT),
)

SCORES = LakeTable(
    name="scores",
    columns=_COLUMNS,
    sources=(
        Source(
            store=Store.CLICKHOUSE,
            table="scores",
            fields=plain(_COLUMNS, _version="t.event_ts"),
            key=(day_part("t.timestamp"), text_part("t.name"), text_part("t.id")),
            identity="t.id",
            version="toUnixTimestamp64Micro(toDateTime64(t.event_ts, 6))",
            narrow=(
                *("t.timestamp", "t.environment", "t.name", "t.value", "t.source", "t.data_type"),
                *("t.created_at", "t.updated_at", "t.trace_id", "t.observation_id", "t.session_id"),
                *("t.dataset_run_id", "t.string_value", "t.author_user_id", "t.config_id"),
                *("t.queue_id", "t.execution_trace_id", "t.comment"),
            ),
            time="t.timestamp",
            unused=frozenset(
                {"is_deleted", "ingestion_api_key", "ingestion_sdk_name", "ingestion_sdk_version"}
            ),
        ),
    ),
)
