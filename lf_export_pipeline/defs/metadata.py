"""What an operator sees of a finished export in Dagster's UI; never the signed link."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from lf_export_pipeline.core.query.export_query import ExportPlan, StoredFile
from lf_export_pipeline.core.request.admission import EVENT_MAX_BYTES
from lf_export_pipeline.defs.assets import export_asset_key
from lf_export_pipeline.defs.column_descriptions import base_schema
from lf_export_pipeline.defs.progress_format import MEGABYTE, per_second
from lf_export_pipeline.defs.run_summary import left_out_text, made
from lf_export_pipeline.file.manifest import manifest_of
from lf_export_pipeline.file.preview import Preview
from lf_export_pipeline.lifecycle.partitions import ATTEMPT_TAG
from lf_export_pipeline.lifecycle.run_records import (
    first_event_at,
    number_in,
    root_run_id,
    runs_by_export,
)


def asset_event(
    context: dg.OpExecutionContext,
    stored: StoredFile,
    plan: ExportPlan,
    preview: Preview | None,
    max_bytes: int = EVENT_MAX_BYTES,
    *,
    nextauth_url: str | None = None,
) -> dg.AssetMaterialization:
    """The export as an event of the asset ``batch_exports/<table>``, so that the UI plots it."""
    times = timing(stored, _started(context, context.run_id))
    waited = queue_wait_seconds(context, stored)
    event = dg.AssetMaterialization(
        asset_key=export_asset_key(stored.request.query.table),
        description=f"{stored.rows:,} rows of {stored.request.query.table}",
        metadata={
            **made(stored, waited, nextauth_url),
            **facts(stored),
            **times,
            "queue_wait_seconds": waited,
            "attempt": attempt_of(context),
            # Under Dagster's own key it would be merged with that of the asset, and Dagster's UI
            # shows names in small letters then.
            "columns": column_schema(plan),
            "manifest": dg.MetadataValue.json(manifest_of(stored, plan)),
            **({"preview": dg.MetadataValue.md(preview.markdown)} if preview else {}),
        },
    )
    return bounded(event, max_bytes)


def bounded(event: dg.AssetMaterialization, max_bytes: int) -> dg.AssetMaterialization:
    """The event with as much of its metadata as Dagster's database is to hold of one export.

    Names of scores, texts of filters and cells are of users. The largest values go first, and
    ``left_out`` names them.
    """
    metadata: Mapping[str, Any] = event.metadata
    sizes = {name: len(dg.serialize_value(value)) for name, value in metadata.items()}
    left_out: list[str] = []
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= max_bytes:
            break
        left_out.append(f"{name} ({sizes.pop(name):,} bytes)")
    if not left_out:
        return event
    kept = {name: event.metadata[name] for name in event.metadata if name in sizes}
    said = f"{', '.join(left_out)}: more than LF_EXPORT_EVENT_MAX_KIB allows"
    return event.with_metadata({**kept, "left_out": said})


def facts(stored: StoredFile) -> dict[str, str | int | bool]:
    """What was exported; first what came out, since Dagster's log shows some six lines."""
    return {
        "rows": stored.rows,
        "bytes": stored.bytes,
        "object_key": stored.object_key,
        "export": stored.request.export_id,
        "name": stored.request.name,
        "user": stored.request.user_id,
        "table": stored.request.query.table,
        "format": stored.request.format.value,
        "compression": stored.request.compression.value,
        "project": stored.request.project_id,
        "dagster/row_count": stored.rows,
        **_checksum(stored),
        "row_limit_hit": stored.limit_hit,
        "vanished_rows": stored.vanished_rows,
        "langfuse_write_mode": stored.write_mode.value,
        **({"columns_left_out": left_out_text(stored.request)} if stored.request.left_out else {}),
        **({"remark": stored.remark} if stored.remark else {}),
        "rows_by": stored.rows_by,
    }


def _checksum(stored: StoredFile) -> dict[str, str]:
    """Of the file, or of its parts where it was never in one place."""
    if stored.sha256 is not None:
        return {"sha256": stored.sha256}
    return {"sha256_of_parts": stored.sha256_of_parts or ""}


def timing(stored: StoredFile, started: datetime) -> Mapping[str, float]:
    """How long it took and how fast it was."""
    seconds = max((stored.finished_at - started).total_seconds(), 0.0)
    return {
        "seconds": round(seconds, 3),
        "rows_per_second": round(per_second(stored.rows, seconds), 1),
        "megabytes_per_second": round(per_second(stored.bytes / MEGABYTE, seconds), 3),
    }


def queue_wait_seconds(context: dg.OpExecutionContext, stored: StoredFile) -> float:
    """How long the export waited for its first run, since it was queued for the last time.

    A run that a person has asked for has waited since then, in Dagster's own queue. A clock that
    disagrees counts as no wait.
    """
    first = root_run_id(context.run)
    started = _started(context, first)
    queued = stored.request.queued_at or first_event_at(context.instance, first) or started
    return round(max((started - queued).total_seconds(), 0.0), 1)


def attempt_of(context: dg.OpExecutionContext) -> int:
    """Which run of its export this is, from 1: by the sensor's tag, or else counted now."""
    if number := number_in(context.run, ATTEMPT_TAG):
        return number
    export_id = context.partition_key
    return len(runs_by_export(context.instance, [export_id]).get(export_id, [])) or 1


def _started(context: dg.OpExecutionContext, run_id: str) -> datetime:
    record = context.instance.get_run_record_by_id(run_id)
    known = record.start_time if record else None
    return datetime.fromtimestamp(known, UTC) if known else datetime.now(UTC)


def column_schema(plan: ExportPlan) -> dg.TableSchema:
    """The columns of the file."""
    base = base_schema(plan.query.request.query.table, plan.query.columns)
    scores = [
        dg.TableColumn(name, "json", description="Scores of this name.")
        for name in plan.query.score_columns
    ]
    return dg.TableSchema(columns=base + scores)
