"""What an operator sees of a finished export in Dagster's UI; never the signed link."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.assets import export_asset_key
from lf_export_pipeline.core.columns import Kind
from lf_export_pipeline.core.query import ExportPlan, StoredFile
from lf_export_pipeline.manifest import manifest_of
from lf_export_pipeline.partitions import ATTEMPT_TAG
from lf_export_pipeline.preview import Preview
from lf_export_pipeline.progress import MEGABYTE, per_second

SHOWN_TYPES = {Kind.TEXT: "string", Kind.QUOTED: "string", Kind.MAYBE_JSON: "string or json"}


def asset_event(
    context: dg.OpExecutionContext, stored: StoredFile, plan: ExportPlan, preview: Preview | None
) -> dg.AssetMaterialization:
    """The export as an event of the asset ``batch_exports/<table>``, so that the UI plots it."""
    record = context.instance.get_run_record_by_id(context.run_id)
    started = record.start_time if record and record.start_time else stored.finished_at.timestamp()
    times = timing(stored, datetime.fromtimestamp(started, UTC))
    return dg.AssetMaterialization(
        asset_key=export_asset_key(stored.request.query.table),
        description=f"{stored.rows:,} rows of {stored.request.query.table}",
        partition=context.partition_key,
        metadata={
            **facts(stored),
            **times,
            "attempt": int(context.run.tags.get(ATTEMPT_TAG, "1")),
            "dagster/column_schema": column_schema(plan),
            "manifest": dg.MetadataValue.json(manifest_of(stored, plan)),
            **({"preview": dg.MetadataValue.md(preview.markdown)} if preview else {}),
        },
    )


def facts(stored: StoredFile) -> dict[str, str | int | bool]:
    """What was exported."""
    return {
        "table": stored.request.query.table,
        "format": stored.request.format.value,
        "project": stored.request.project_id,
        "dagster/row_count": stored.rows,
        "rows": stored.rows,
        "bytes": stored.bytes,
        "object_key": stored.object_key,
        "sha256": stored.sha256,
        "row_limit_hit": stored.limit_hit,
        "vanished_rows": stored.vanished_rows,
    }


def timing(stored: StoredFile, started: datetime) -> Mapping[str, float]:
    """How long it took and how fast it was; a clock that disagrees counts as no wait."""
    seconds = max((stored.finished_at - started).total_seconds(), 0.0)
    wait = max((started - stored.request.created_at).total_seconds(), 0.0)
    return {
        "seconds": round(seconds, 3),
        "rows_per_second": round(per_second(stored.rows, seconds), 1),
        "megabytes_per_second": round(per_second(stored.bytes / MEGABYTE, seconds), 3),
        "queue_wait_seconds": round(wait, 1),
    }


def column_schema(plan: ExportPlan) -> dg.TableSchema:
    """The columns of the file."""
    base = [
        dg.TableColumn(column.name, SHOWN_TYPES.get(column.kind, "json"))
        for column in plan.query.columns
    ]
    scores = [
        dg.TableColumn(name, "json", description="score") for name in plan.query.score_columns
    ]
    return dg.TableSchema(columns=base + scores)
