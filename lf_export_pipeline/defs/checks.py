"""Whether exports flow: two checks of the asset ``batch_exports``, for alerts to build on."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline.lifecycle.run_records import is_request_failure, newest_runs
from lf_export_pipeline.settings.operating import OperatingSettings

OLDEST_QUEUED = "oldest_queued_export"
FAILED_LATELY = "failed_in_the_last_hour"
HOUR = timedelta(hours=1)
INTERVAL_SECONDS = 60
REPEATED_AFTER = timedelta(minutes=5)
NAMED_MAX = 10
OWNER = "team:batch_exports"

EXPORTS_ASSET = dg.AssetSpec(
    key=PARTITIONS_NAME,
    group_name=PARTITIONS_NAME,
    description="All exports: the rows of Langfuse's table batch_exports. Its checks say whether "
    "exports wait too long or fail.",
    kinds={"postgres"},
    owners=[OWNER],
)


def queue_check(
    oldest: ExportRow | None, now: datetime, settings: OperatingSettings
) -> dg.AssetCheckResult:
    """Whether the export that waits longest has waited too long.

    It waits since it became QUEUED, which for one that was queued again is not when it was made.
    """
    wait = max((now - oldest.updated_at).total_seconds(), 0.0) if oldest else 0.0
    limit = settings.lf_export_queue_wait_warning_seconds
    return dg.AssetCheckResult(
        check_name=OLDEST_QUEUED,
        asset_key=PARTITIONS_NAME,
        passed=wait < limit,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "wait_seconds": round(wait, 1),
            "limit_seconds": limit,
            "export": oldest.id if oldest else "",
        },
    )


def failure_check(
    failed: Sequence[ExportRow], refused: Collection[str], settings: OperatingSettings
) -> dg.AssetCheckResult:
    """Whether too many exports have failed lately that could have been made.

    Args:
        failed: Those that have.
        refused: The ids of those among them that ask for what cannot be exported: these are
            reported as well, but they are no reason to wake anybody.
        settings: From how many on it is too many.
    """
    limit = settings.lf_export_failures_warning
    broken = [row.id for row in failed if row.id not in refused]
    return dg.AssetCheckResult(
        check_name=FAILED_LATELY,
        asset_key=PARTITIONS_NAME,
        passed=len(broken) < limit,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "failed": len(broken),
            "refused": len(failed) - len(broken),
            "limit": limit,
            "exports": ", ".join(broken[:NAMED_MAX]),
        },
    )


def failures_of(
    instance: dg.DagsterInstance,
    export_rows: BatchExportRepository,
    settings: OperatingSettings,
    now: datetime,
) -> dg.AssetCheckResult:
    """Whether too many exports failed in the hour before now."""
    failed = export_rows.search(ExportSearch(statuses=("FAILED",), finished_since=now - HOUR))
    newest = newest_runs(instance, [row.id for row in failed])
    refused = {export_id for export_id, run in newest.items() if is_request_failure(run)}
    return failure_check(failed, refused, settings)


def health_of(
    instance: dg.DagsterInstance,
    export_rows: BatchExportRepository,
    settings: OperatingSettings,
    now: datetime,
) -> list[dg.AssetCheckResult]:
    """All checks, as of now: what the sensor reports."""
    return [
        queue_check(export_rows.oldest_queued(), now, settings),
        failures_of(instance, export_rows, settings, now),
    ]


@dg.asset_check(
    name=OLDEST_QUEUED,
    asset=PARTITIONS_NAME,
    description="Fails when an export has been QUEUED for too long: the daemon is down, the sensor "
    "is off, or the load exceeds the limits.",
)
def oldest_queued_export(
    export_rows: dg.ResourceParam[BatchExportRepository],
    settings: dg.ResourceParam[OperatingSettings],
) -> dg.AssetCheckResult:
    """Looks now, for whoever presses *Execute*; the sensor looks every minute."""
    with redact_unexpected_errors():
        return queue_check(export_rows.oldest_queued(), datetime.now(UTC), settings)


@dg.asset_check(
    name=FAILED_LATELY,
    asset=PARTITIONS_NAME,
    description="Fails when too many exports failed within the last hour for operational reasons; "
    "requests that cannot be exported are counted separately.",
)
def failed_in_the_last_hour(
    context: dg.AssetCheckExecutionContext,
    export_rows: dg.ResourceParam[BatchExportRepository],
    settings: dg.ResourceParam[OperatingSettings],
) -> dg.AssetCheckResult:
    """Looks now, as above."""
    with redact_unexpected_errors():
        return failures_of(context.instance, export_rows, settings, datetime.now(UTC))


CHECKS = (oldest_queued_export, failed_in_the_last_hour)
"""Each by itself: Dagster's UI executes no single check of a set."""


@dg.sensor(
    name="export_health",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Checks every minute whether exports wait too long or fail; reports to the checks "
    "of batch_exports when the result changes, and every 5 minutes.",
)
@redact_unexpected_errors()
def export_health_sensor(
    context: dg.SensorEvaluationContext,
    export_rows: dg.ResourceParam[BatchExportRepository],
    settings: dg.ResourceParam[OperatingSettings],
) -> dg.SensorResult:
    """Events instead of runs: a look costs two queries, and takes no place in the run queue."""
    now = datetime.now(UTC)
    results = health_of(context.instance, export_rows, settings, now)
    outcome = {result.check_name or "": result.passed for result in results}
    if not is_news(context.cursor, outcome, now):
        return dg.SensorResult(skip_reason=dg.SkipReason("The result has not changed."))
    cursor = json.dumps({"outcome": outcome, "told_at": now.isoformat()})
    events = [_evaluation(result) for result in results]
    return dg.SensorResult(asset_events=events, cursor=cursor)


def is_news(cursor: str | None, outcome: dict[str, bool], now: datetime) -> bool:
    """Whether the checks are to be told: something has changed, or they were told long ago."""
    known = json.loads(cursor) if cursor else None
    if known is None or known["outcome"] != outcome:
        return True
    return now - datetime.fromisoformat(known["told_at"]) >= REPEATED_AFTER


def _evaluation(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        check_name=result.check_name or "",
        asset_key=dg.AssetKey(PARTITIONS_NAME),
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )
