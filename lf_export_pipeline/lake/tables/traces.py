"""Traces, as Langfuse's table of that name has them.

In the mode ``events_only`` Langfuse writes none: what there is to know of a trace stands in each of
its observations, as in Langfuse's own integration.
"""

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.lake.source import LakeColumn, LakeTable, Source, day_part, plain, text_part

_COLUMNS = (
    LakeColumn("id"),
    LakeColumn("timestamp", ColumnType.INSTANT),
    LakeColumn("name"),
    LakeColumn("environment"),
    LakeColumn("project_id"),
    LakeColumn("metadata", ColumnType.TEXT_MAP),
    LakeColumn("user_id"),
    LakeColumn("session_id"),
    LakeColumn("release"),
    LakeColumn("version"),
    LakeColumn("public", ColumnType.BOOLEAN),
    LakeColumn("bookmarked", ColumnType.BOOLEAN),
    LakeColumn("tags", ColumnType.TEXTS),
    LakeColumn("input", ColumnType.PAYLOAD),
    LakeColumn("output", ColumnType.PAYLOAD),
    LakeColumn("created_at", ColumnType.INSTANT),
    LakeColumn("updated_at", ColumnType.INSTANT),
    LakeColumn("_version", ColumnType.INSTANT),
)

TRACES = LakeTable(
    name="traces",
    columns=_COLUMNS,
    sources=(
        Source(
            store=Store.CLICKHOUSE,
            table="traces",
            fields=plain(_COLUMNS, _version="t.event_ts"),
            key=(day_part("t.timestamp"), text_part("t.id")),
            identity="t.id",
            version="toUnixTimestamp64Micro(toDateTime64(t.event_ts, 6))",
            narrow=(
                *("t.timestamp", "t.name", "t.environment", "t.public", "t.bookmarked", "t.tags"),
                *("t.created_at", "t.updated_at"),
                *("t.user_id", "t.session_id", "t.release", "t.version"),
            ),
            time="t.timestamp",
        ),
    ),
)
