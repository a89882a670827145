"""The files of each exportable table as an asset, with the tables of Langfuse that they come from.

Nothing materializes them by itself: the job reports each finished file as an event of its table,
and the UI plots rows, bytes and speed over time. They have no partitions: a partition is an export,
and each export is of one table.
"""

import dagster as dg

from lf_export_pipeline.core.query.statement import Store, StoredTable
from lf_export_pipeline.core.tables import stored_tables, table_names, table_source
from lf_export_pipeline.defs.checks import OWNER
from lf_export_pipeline.defs.column_descriptions import base_schema
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME

GROUP = "batch_exports"
SOURCES_GROUP = "langfuse"


def export_assets() -> list[dg.AssetSpec]:
    """One asset per exportable table, and one per table of Langfuse that they come from."""
    return [*map(_source, stored_tables()), *map(_asset, table_names())]


def export_asset_key(table: str) -> dg.AssetKey:
    """The asset that stands for the exports of a table."""
    return dg.AssetKey([PARTITIONS_NAME, table])


def _source_key(source: StoredTable) -> dg.AssetKey:
    return dg.AssetKey([SOURCES_GROUP, _server_of(source), source.name])


def _schema(table: str) -> dg.TableSchema:
    """The columns that every file of a table has, so that they are known before the first one."""
    return dg.TableSchema(base_schema(table, table_source(table).columns))


def _server_of(source: StoredTable) -> str:
    return (Store.CLICKHOUSE if source.store is Store.EVENTS else source.store).value


def _source(source: StoredTable) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=_source_key(source),
        group_name=SOURCES_GROUP,
        kinds={_server_of(source)},
        description=f"Langfuse's table {source.name}, which exports read.",
    )


def _asset(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=export_asset_key(table),
        group_name=GROUP,
        deps=[_source_key(source) for source in table_source(table).reads],
        owners=[OWNER],
        kinds={"s3"},
        metadata={"dagster/column_schema": _schema(table)},
        description=(
            f"Files that users exported from the table {table.replace('_', ' ')}. Each event is "
            "one finished file: export, user, rows, bytes, seconds, speed, time in the queue, "
            "columns and, unless LF_EXPORT_PREVIEW is false, its first rows. The job batch_export "
            "makes them; its runs show the exports that failed."
        ),
    )
