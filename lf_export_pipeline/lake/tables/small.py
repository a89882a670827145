"""Tables with one object per project, and the audit logs, which only grow."""

from collections.abc import Iterable

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.lake.source import KeyPart, LakeColumn, LakeTable, Source, plain, text_part


def _micros(column: str) -> str:
    """An instant of Postgres, whose columns hold UTC without saying so, in microseconds.

    NULL for ``infinity``, which is no number; the digest of its row knows it.
    """
    micros = f"CAST(extract(epoch FROM {column}) * 1000000 AS bigint)"
    return f"CASE WHEN isfinite({column}) THEN {micros} END"


def _fields(columns: Iterable[LakeColumn], **others: str) -> dict[str, str]:
    """Texts as they are; instants as numbers, JSON and lists as JSON text."""
    given = {column.name: f"t.{column.name}" for column in columns} | others
    types = {column.name: column.type for column in columns}
    return {name: _sent(sql, types[name]) for name, sql in given.items()}


def _sent(sql: str, kind: ColumnType) -> str:
    if kind is ColumnType.INSTANT:
        return _micros(sql)
    if kind is ColumnType.BOOLEAN:
        return sql
    return f"CAST(to_json({sql}) AS text)" if kind is ColumnType.TEXTS else f"CAST({sql} AS text)"


def _postgres(
    table: str,
    columns: tuple[LakeColumn, ...],
    *key: str,
    version: str,
    time: str | None = None,
    joins: str = "",
    narrow: tuple[str, ...] = ("CAST(t AS text)",),
    unused: frozenset[str] = frozenset(),
    **others: str,
) -> LakeTable:
    source = Source(
        store=Store.POSTGRES,
        table=table,
        fields=_fields(columns, **others),
        key=tuple(KeyPart(each, each, str) for each in key),
        identity=key[0],
        version=f"coalesce({_micros(version)}, 0)",
        narrow=narrow,
        time=time,
        joins=joins,
        unused=unused,
    )
    return LakeTable(
        name={"trace_sessions": "sessions"}.get(table, table), columns=columns, sources=(source,)
    )


_CREATED = LakeColumn("created_at", ColumnType.INSTANT)
_UPDATED = LakeColumn("updated_at", ColumnType.INSTANT)
_VERSION = LakeColumn("_version", ColumnType.INSTANT)

SESSIONS = _postgres(
    "trace_sessions",
    (
        LakeColumn("id"),
        LakeColumn("project_id"),
        _CREATED,
        _UPDATED,
        LakeColumn("environment"),
        LakeColumn("bookmarked", ColumnType.BOOLEAN),
        LakeColumn("public", ColumnType.BOOLEAN),
        _VERSION,
    ),
    "t.id",
    version="t.updated_at",
    _version="t.updated_at",
)

DATASET_ITEMS = _postgres(
    "dataset_items",
    (
        LakeColumn("id"),
        LakeColumn("project_id"),
        LakeColumn("dataset_id"),
        LakeColumn("dataset_name"),
        LakeColumn("status"),
        LakeColumn("input", ColumnType.PAYLOAD),
        LakeColumn("expected_output", ColumnType.PAYLOAD),
        LakeColumn("metadata", ColumnType.PAYLOAD),
        LakeColumn("source_trace_id"),
        LakeColumn("source_observation_id"),
        LakeColumn("valid_from", ColumnType.INSTANT),
        LakeColumn("valid_to", ColumnType.INSTANT),
        LakeColumn("is_deleted", ColumnType.BOOLEAN),
        _CREATED,
        _UPDATED,
        _VERSION,
    ),
    "t.id",
    "t.valid_from",
    version="t.updated_at",
    joins="LEFT JOIN datasets AS d ON d.id = t.dataset_id AND d.project_id = t.project_id",
    narrow=("CAST(t AS text)", "d.name"),
    dataset_name="d.name",
    _version="t.updated_at",
)

COMMENTS = _postgres(
    "comments",
    (
        LakeColumn("id"),
        LakeColumn("project_id"),
        LakeColumn("object_type"),
        LakeColumn("object_id"),
        LakeColumn("content", ColumnType.PAYLOAD),
        LakeColumn("author_user_id"),
        LakeColumn("data_field"),
        LakeColumn("path", ColumnType.TEXTS),
        _CREATED,
        _UPDATED,
        _VERSION,
    ),
    "t.id",
    version="t.updated_at",
    unused=frozenset({"range_start", "range_end"}),
    _version="t.updated_at",
)

AUDIT_LOGS = _postgres(
    "audit_logs",
    (
        LakeColumn("id"),
        LakeColumn("project_id"),
        LakeColumn("org_id"),
        LakeColumn("type"),
        LakeColumn("user_id"),
        LakeColumn("api_key_id"),
        LakeColumn("user_org_role"),
        LakeColumn("user_project_role"),
        LakeColumn("resource_type"),
        LakeColumn("resource_id"),
        LakeColumn("action"),
        LakeColumn("before", ColumnType.PAYLOAD),
        LakeColumn("after", ColumnType.PAYLOAD),
        _CREATED,
        _UPDATED,
        _VERSION,
    ),
    "t.id",
    version="t.updated_at",
    time="t.created_at",
    narrow=("t.created_at", "t.updated_at"),
    _version="t.updated_at",
)

_RUN_ITEM_COLUMNS = (
    LakeColumn("id"),
    LakeColumn("project_id"),
    LakeColumn("dataset_id"),
    LakeColumn("dataset_run_id"),
    LakeColumn("dataset_run_name"),
    LakeColumn("dataset_run_description", ColumnType.PAYLOAD),
    LakeColumn("dataset_run_metadata", ColumnType.TEXT_MAP),
    LakeColumn("dataset_run_created_at", ColumnType.INSTANT),
    LakeColumn("dataset_item_id"),
    LakeColumn("dataset_item_version", ColumnType.INSTANT),
    LakeColumn("dataset_item_input", ColumnType.PAYLOAD),
    LakeColumn("dataset_item_expected_output", ColumnType.PAYLOAD),
    LakeColumn("dataset_item_metadata", ColumnType.TEXT_MAP),
    LakeColumn("trace_id"),
    LakeColumn("observation_id"),
    LakeColumn("error", ColumnType.PAYLOAD),
    _CREATED,
    _UPDATED,
    _VERSION,
)

DATASET_RUN_ITEMS = LakeTable(
    name="dataset_run_items",
    columns=_RUN_ITEM_COLUMNS,
    sources=(
        Source(
            store=Store.CLICKHOUSE,
            table="dataset_run_items_rmt",
            fields=plain(_RUN_ITEM_COLUMNS, _version="t.event_ts"),
            key=(text_part("t.dataset_id"), text_part("t.dataset_run_id"), text_part("t.id")),
            identity="t.id",
            version="toUnixTimestamp64Micro(toDateTime64(t.event_ts, 6))",
            narrow=(
                *("t.dataset_id", "t.dataset_run_id", "t.dataset_item_id", "t.trace_id"),
                *("t.dataset_run_name", "t.dataset_run_created_at", "t.created_at", "t.updated_at"),
                *(
                    "t.observation_id",
                    "t.error",
                    "t.dataset_run_description",
                    "t.dataset_item_version",
                ),
            ),
        ),
    ),
)
