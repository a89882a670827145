"""The sensor that keeps rows and runs in step; ``lifecycle.decision`` says what it does."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from lf_export_pipeline.core.ports import ObjectStore, Spool
from lf_export_pipeline.defs.cached_connections import cached_database, cached_instance
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.lifecycle.partitions import EXPORTS
from lf_export_pipeline.lifecycle.reconcile import Reconciler
from lf_export_pipeline.lifecycle.run_records import JOB_NAME
from lf_export_pipeline.settings import Settings

REMEMBERED_RECOVERIES = 1_000


def export_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """The sensor; it is on unless someone switches it off."""

    @dg.sensor(
        name="reconcile_exports",
        job_name=JOB_NAME,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for each QUEUED row of batch_exports; projects take turns. "
        "Updates rows whose run ended without doing so, requeues exports that a crash left "
        "PROCESSING, terminates runs of exports that were cancelled in Langfuse, reports runs "
        "without a heartbeat as failed, and requests retries that Dagster missed.",
    )
    @redact_unexpected_errors()
    def reconcile_exports(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        settings = Settings.load()
        rows = cached_database(settings).exports
        tick = Reconciler(cached_instance(context), rows, settings, lambda: stores_of(settings))
        try:
            return reconciled(tick, context.cursor)
        finally:
            for line in tick.done:
                context.log.info(line)

    return reconcile_exports


def reconciled(tick: Reconciler, cursor: str | None) -> dg.SensorResult:
    """The runs that begin now and the partitions they are of, or why none does.

    Args:
        tick: What looks at the exports.
        cursor: The cursor of the result before.
    """
    remembered = _remembered(cursor)
    requests = tick.reconcile(remembered)
    return _launched(requests, remembered | tick.recovered, len(tick.done))


@contextmanager
def stores_of(settings: Settings) -> Iterator[tuple[Spool, ObjectStore]]:
    """Spool and bucket, where ended attempts have left files."""
    # With them comes boto3, which most ticks do not need.
    from lf_export_pipeline.adapters.object_stores import open_object_store  # noqa: PLC0415
    from lf_export_pipeline.adapters.spool import open_spool  # noqa: PLC0415

    yield open_spool(settings), open_object_store(settings)


def _launched(
    requests: list[dg.RunRequest], recoveries: Mapping[str, int], others: int
) -> dg.SensorResult:
    """The requests; recoveries that found no room are remembered, so that they stay counted."""
    keys = [request.partition_key for request in requests if request.partition_key]
    pending = [(one, times) for one, times in recoveries.items() if one not in set(keys)]
    cursor = json.dumps(dict(pending[-REMEMBERED_RECOVERIES:]))
    if not requests:
        nothing = "No export is queued, or as many runs as allowed are in flight."
        done = f" {others} other actions; see the log of this tick." if others else ""
        return dg.SensorResult(skip_reason=dg.SkipReason(nothing + done), cursor=cursor)
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[EXPORTS.build_add_request(keys)],
        cursor=cursor,
    )


def _remembered(cursor: str | None) -> dict[str, int]:
    try:
        known = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return {str(one): int(times) for one, times in known.items()} if isinstance(known, dict) else {}
