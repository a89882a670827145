"""Spool folders of exports that have ended, and of those that nobody will resume."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import unquote

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, Spool
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.file.cleanup import discard_attempts
from lf_export_pipeline.lifecycle.retries import is_retried
from lf_export_pipeline.lifecycle.run_records import IN_FLIGHT, runs_by_export
from lf_export_pipeline.sweeps.sweep_item import SweepItem, apply, batches_of

SETTLED_AFTER = timedelta(hours=1)  # an export in an operator's shell has no run that shows
AT_WORK = ("QUEUED", "PROCESSING")


@dataclass(frozen=True, slots=True)
class RunsOfExport:
    """What Dagster knows: whether there were runs at all, and whether one may still write."""

    known: bool = False
    alive: bool = False


def folder_item(
    folder: str, row: ExportRow | None, runs: RunsOfExport, now: datetime, kept_for: timedelta
) -> SweepItem:
    """Whether a top-level folder of the spool can go, and why.

    A folder is ours if its name is one that we give and the export is known to Langfuse or Dagster.
    """
    if export_folder(unquote(folder)) != folder or not (row or runs.known):
        return SweepItem(folder, removable=False, reason="not ours, as far as is known")
    if runs.alive:
        return SweepItem(folder, removable=False, reason="a run of the export has not ended")
    if row is None:
        return SweepItem(folder, removable=True, reason="the export is gone from Langfuse")
    if row.status in AT_WORK:
        return SweepItem(folder, removable=False, reason=f"the export is {row.status}")
    needed = kept_for if row.status == "FAILED" else SETTLED_AFTER
    is_old = row.updated_at < now - needed
    since = f"the export is {row.status} since {row.updated_at:%Y-%m-%d %H:%M}"
    return SweepItem(folder, removable=is_old, reason=since)


def sweep_spool(
    instance: dg.DagsterInstance,
    export_rows: BatchExportRepository,
    spool: Spool,
    files: ObjectStore,
    kept_for: timedelta,
    *,
    dry_run: bool,
) -> list[SweepItem]:
    """Removes what can go, and the objects that it is the only trace of, or only finds it.

    Each is judged once more just before it goes: to remove hundreds of folders takes
    minutes, in which an operator may have started their exports again.
    """

    def remove(folder: str) -> None:
        discard_attempts(spool, folder, files, export_rows.get(unquote(folder)))

    def judged(*folders: str) -> list[SweepItem]:
        return _items(instance, export_rows, folders, kept_for)

    found = (item for batch in batches_of(spool.folders()) for item in judged(*batch))
    latest = (judged(one.name)[0] if one.removable and not dry_run else one for one in found)
    return [apply(one, partial(remove, one.name), dry_run=dry_run) for one in latest]


def _items(
    instance: dg.DagsterInstance,
    export_rows: BatchExportRepository,
    folders: Sequence[str],
    kept_for: timedelta,
) -> list[SweepItem]:
    ids = tuple(unquote(folder) for folder in folders)
    rows = {row.id: row for row in export_rows.search(ExportSearch(ids=ids, limit=len(ids)))}
    runs = runs_of_exports(instance, ids)
    now = datetime.now(UTC)
    return [
        folder_item(folder, rows.get(one), runs.get(one, RunsOfExport()), now, kept_for)
        for folder, one in zip(folders, ids, strict=True)
    ]


def runs_of_exports(
    instance: dg.DagsterInstance, export_ids: tuple[str, ...]
) -> dict[str, RunsOfExport]:
    """What Dagster knows of these exports; a failed run that will be started again is alive."""
    return {
        export_id: RunsOfExport(
            known=True,
            alive=is_retried(records[0].dagster_run)
            or any(record.dagster_run.status in IN_FLIGHT for record in records),
        )
        for export_id, records in runs_by_export(instance, export_ids).items()
    }
