"""Ticks of the sensor, without a daemon."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, Spool
from lf_export_pipeline.defs.sensors import reconciled
from lf_export_pipeline.lifecycle.reconcile import Reconciler, Stores
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool


@contextmanager
def nothing_left() -> Iterator[tuple[Spool, ObjectStore]]:
    """Spool and bucket of exports that have left nothing."""
    yield MemorySpool(), MemoryObjectStore()


def tick(
    instance: dg.DagsterInstance,
    export_rows: BatchExportRepository,
    settings: OperatingSettings,
    *,
    cursor: str | None = None,
    stores: Stores = nothing_left,
    later: timedelta = timedelta(0),
) -> dg.SensorResult:
    """What one tick of the sensor gives.

    Args:
        instance: Dagster's records.
        export_rows: The table.
        settings: The limits.
        cursor: That of the tick before.
        stores: Where attempts have left files.
        later: How much later than now the tick comes.
    """
    now = datetime.now(UTC) + later
    return reconciled(Reconciler(instance, export_rows, settings, stores, now), cursor)
