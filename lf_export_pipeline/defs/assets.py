"""The files of each exportable table as an asset, with the tables of Langfuse that they come from.

Nothing materializes them by itself: the job reports each finished file as an event of its table,
and the UI plots rows, bytes and speed over time. They have no partitions: a partition is an export,
and each export is of one table.
"""

import dagster as dg

from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.defs.checks import OWNER
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME

GROUP = "batch_exports"
SOURCES_GROUP = "langfuse"
SOURCES = {
    "audit_logs": ("postgres/audit_logs",),
    "dataset_items": ("postgres/dataset_items", "postgres/datasets"),
    "dataset_run_items": ("clickhouse/dataset_run_items_rmt", "postgres/datasets"),
    "events": ("clickhouse/events_full", "clickhouse/scores", "postgres/comments"),
    "observations": (
        *("clickhouse/observations", "clickhouse/events_full", "clickhouse/traces"),
        *("clickhouse/scores", "postgres/models", "postgres/comments"),
    ),
    "scores": ("clickhouse/scores", "clickhouse/traces", "clickhouse/events_full"),
    "sessions": (
        *("clickhouse/traces", "clickhouse/observations", "clickhouse/events_full"),
        *("clickhouse/scores", "postgres/trace_sessions", "postgres/comments"),
    ),
    "traces": ("clickhouse/traces", "clickhouse/scores", "postgres/comments"),
}


def export_assets() -> list[dg.AssetSpec]:
    """One asset per exportable table, and one per table of Langfuse that they come from."""
    sources = sorted({source for found in SOURCES.values() for source in found})
    return [*map(_source, sources), *map(_asset, table_names())]


def export_asset_key(table: str) -> dg.AssetKey:
    """The asset that stands for the exports of a table."""
    return dg.AssetKey([PARTITIONS_NAME, table])


def _source_key(source: str) -> dg.AssetKey:
    return dg.AssetKey([SOURCES_GROUP, *source.split("/")])


def _source(source: str) -> dg.AssetSpec:
    store, table = source.split("/")
    return dg.AssetSpec(
        key=_source_key(source),
        group_name=SOURCES_GROUP,
        kinds={store},
        description=f"Langfuse's table {table}, which exports read.",
    )


def _asset(table: str) -> dg.AssetSpec:
    sources = SOURCES.get(table, ())
    return dg.AssetSpec(
        key=export_asset_key(table),
        group_name=GROUP,
        deps=[_source_key(source) for source in sources],
        owners=[OWNER],
        kinds={"s3"},
        description=(
            f"Files that users exported from the table {table.replace('_', ' ')}. Each event is "
            "one finished file: export, user, rows, bytes, seconds, speed, time in the queue, "
            "columns and, unless LF_EXPORT_PREVIEW is false, its first rows. The job batch_export "
            "makes them; its runs show the exports that failed."
        ),
    )
