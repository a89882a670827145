"""Partitions of exports that are long past: Dagster is made for up to about 100,000 of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline.lifecycle.retries import is_retried
from lf_export_pipeline.lifecycle.run_records import IN_FLIGHT, runs_by_export
from lf_export_pipeline.sweeps.sweep_item import SweepItem, batches_of

KEPT_FOR = timedelta(days=30)  # older exports are refused anyway


def partition_item(
    export_id: str, requested_at: datetime | None, last_run_at: datetime | None, now: datetime
) -> SweepItem:
    """Whether a partition without a run in flight is past; one of nothing at all is."""
    instants = [instant for instant in (requested_at, last_run_at) if instant is not None]
    if not instants:
        return SweepItem(export_id, removable=True, reason="neither an export nor a run")
    last = max(instants)
    return SweepItem(
        export_id, removable=last < now - KEPT_FOR, reason=f"last used {last:%Y-%m-%d}"
    )


def prune_partitions(
    instance: dg.DagsterInstance, export_rows: BatchExportRepository, *, dry_run: bool
) -> list[SweepItem]:
    """Deletes the partitions that are past, or only finds them; runs and rows stay."""
    items = []
    for item in _items(instance, export_rows):
        if item.removable and not dry_run:
            instance.delete_dynamic_partition(PARTITIONS_NAME, item.name)
        items.append(item)
    return items


def _items(instance: dg.DagsterInstance, export_rows: BatchExportRepository) -> Iterator[SweepItem]:
    now = datetime.now(UTC)
    for ids in batches_of(instance.get_dynamic_partitions(PARTITIONS_NAME)):
        rows = {row.id: row for row in export_rows.search(ExportSearch(ids=ids, limit=len(ids)))}
        runs = runs_by_export(instance, ids)
        for one in ids:
            records, row = runs.get(one, []), rows.get(one)
            if _is_alive(records):
                yield SweepItem(one, removable=False, reason="a run has not ended")
            else:
                # In the zone of Dagster's database: half a day in thirty makes no difference.
                ran_at = records[0].create_timestamp.astimezone(UTC) if records else None
                yield partition_item(one, row.created_at if row else None, ran_at, now)


def _is_alive(newest_first: list[dg.RunRecord]) -> bool:
    runs = [record.dagster_run for record in newest_first]
    return any(run.status in IN_FLIGHT for run in runs) or any(map(is_retried, runs[:1]))
