"""The exported tables as assets, so that the UI describes them and plots their exports over time.

Nothing materializes them by itself: the job reports each finished file as an event of its table.
"""

import dagster as dg

from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.lifecycle.partitions import EXPORTS, PARTITIONS_NAME

GROUP = "batch_exports"
STORES = {"audit_logs": "postgres", "dataset_items": "postgres"}


def export_assets() -> list[dg.AssetSpec]:
    """One asset per exportable table; its partitions are the exports of that table."""
    return [_asset(table) for table in table_names()]


def export_asset_key(table: str) -> dg.AssetKey:
    """The asset that stands for the exports of a table."""
    return dg.AssetKey([PARTITIONS_NAME, table])


def _asset(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=export_asset_key(table),
        group_name=GROUP,
        partitions_def=EXPORTS,
        kinds={STORES.get(table, "clickhouse"), "s3"},
        description=(
            f"Files that users exported from the table {table.replace('_', ' ')}. Each event is "
            "one finished file: rows, bytes, seconds, speed, time in the queue, columns and, "
            "unless LF_EXPORT_PREVIEW is false, its first rows. The job batch_export makes them."
        ),
    )
