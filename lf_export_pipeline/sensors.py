"""Starts a run for each queued export, and keeps the rows true when runs end on their own.

Each decision is a function over plain values; the decorated ones only fetch and pass on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.attempt_folder import export_folder
from lf_export_pipeline.core.errors import GENERIC_SENTENCE
from lf_export_pipeline.core.ports import ExportRows, Spool
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.partitions import (
    ATTEMPT_TAG,
    EXPORTS,
    FORMAT_TAG,
    PROJECT_TAG,
    TABLE_TAG,
    is_partition_key,
)
from lf_export_pipeline.runs import (
    IN_FLIGHT,
    JOB_NAME,
    export_id_of,
    is_retried,
    newest_runs,
    runs_by_export,
)

PAGE_ROWS = 50
SCANNED_MAX_ROWS = 2_000
TAG_MAX_CHARACTERS = 63
STATUS_INTERVAL_SECONDS = 5
BAD_ID_SENTENCE = (
    "The id of this export holds characters that a partition cannot have. Please start it again."
)


@dataclass(frozen=True, slots=True)
class Attempts:
    """The runs that an export has had.

    Attributes:
        count: How many there were.
        in_flight: Whether one of them has not ended.
        unanswered_since: When the newest was made, if it has failed; until its failure is in the
            row, a row that is still queued is not waiting for another run.
    """

    count: int = 0
    in_flight: bool = False
    unanswered_since: datetime | None = None


def requests_for(
    rows: Sequence[ExportRow], attempts: Mapping[str, Attempts]
) -> list[dg.RunRequest]:
    """One request per row that waits for a run, in the order of the rows.

    The run key holds the number of the attempt: an id alone would keep a re-queued export from
    ever running again, and an attempt that was asked for twice is started once.
    """
    known = ((row, attempts.get(row.id, Attempts())) for row in rows)
    return [_request(row, history.count + 1) for row, history in known if _waits(row, history)]


def _waits(row: ExportRow, history: Attempts) -> bool:
    if history.in_flight or not is_partition_key(row.id):
        return False
    failed_at = history.unanswered_since
    return failed_at is None or row.updated_at > failed_at


def _request(row: ExportRow, attempt: int) -> dg.RunRequest:
    query = row.query if isinstance(row.query, Mapping) else {}
    return dg.RunRequest(
        run_key=f"{row.id}:{attempt}",
        partition_key=row.id,
        tags={
            PROJECT_TAG: _tag(row.project_id),
            TABLE_TAG: _tag(query.get("tableName")),
            FORMAT_TAG: _tag(row.format),
            ATTEMPT_TAG: str(attempt),
        },
    )


def _tag(value: object) -> str:
    """A tag's value; whatever a row holds, it must not keep its run from starting."""
    return str(value)[:TAG_MAX_CHARACTERS] or "unknown"


def attempts_of(instance: dg.DagsterInstance, export_ids: Sequence[str]) -> dict[str, Attempts]:
    """The runs of these exports, from Dagster's own records."""
    runs = runs_by_export(instance, export_ids)
    return {export_id: _attempts(records) for export_id, records in runs.items()}


def _attempts(newest_first: list[dg.RunRecord]) -> Attempts:
    newest = newest_first[0]
    has_failed = newest.dagster_run.status is dg.DagsterRunStatus.FAILURE
    return Attempts(
        count=len(newest_first),
        in_flight=any(record.dagster_run.status in IN_FLIGHT for record in newest_first),
        unanswered_since=newest.create_timestamp.astimezone(UTC) if has_failed else None,
    )


def export_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """The sensor that finds queued exports; it is on unless someone switches it off."""

    @dg.sensor(
        name="queued_exports",
        job_name=JOB_NAME,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="One run per row of batch_exports that is QUEUED, oldest first.",
    )
    def queued_exports(
        context: dg.SensorEvaluationContext, export_rows: dg.ResourceParam[ExportRows]
    ) -> dg.SensorResult | dg.SkipReason:
        requests = _next_requests(context.instance, export_rows)
        if not requests:
            return dg.SkipReason("No export waits for a run.")
        keys = [request.partition_key for request in requests if request.partition_key]
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[EXPORTS.build_add_request(keys)],
        )

    return queued_exports


def _next_requests(instance: dg.DagsterInstance, export_rows: ExportRows) -> list[dg.RunRequest]:
    """A page of requests; rows whose runs wait in Dagster's queue do not hide those behind them."""
    for offset in range(0, SCANNED_MAX_ROWS, PAGE_ROWS):
        rows = export_rows.queued(PAGE_ROWS, offset)
        _refuse_bad_ids(rows, export_rows)
        requests = requests_for(rows, attempts_of(instance, [row.id for row in rows]))
        if requests or len(rows) < PAGE_ROWS:
            return requests
    return []


def _refuse_bad_ids(rows: Iterable[ExportRow], export_rows: ExportRows) -> None:
    for row in rows:
        if not is_partition_key(row.id):
            export_rows.fail(row.id, BAD_ID_SENTENCE, datetime.now(UTC))


def runs_that_failed(job: dg.JobDefinition) -> dg.SensorDefinition:
    """The net below ``fail_export``: a run that was killed, or never began, sets no row."""

    @dg.run_failure_sensor(
        name="runs_that_failed",
        monitored_jobs=[job],
        minimum_interval_seconds=STATUS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sets an export FAILED whose run ended without saying so.",
    )
    def sensor(
        context: dg.RunFailureSensorContext, export_rows: dg.ResourceParam[ExportRows]
    ) -> None:
        run = context.dagster_run
        export_id = export_id_of(run)
        if export_id is None or is_retried(run) or _has_successor(context, run):
            return
        if export_rows.fail(export_id, GENERIC_SENTENCE, datetime.now(UTC)):
            context.log.warning("Export %s is FAILED: its run ended without a word", export_id)

    return sensor


def runs_that_were_cancelled(job: dg.JobDefinition) -> dg.SensorDefinition:
    """A run that is terminated in the UI cancels its export, wherever the run was."""

    @dg.run_status_sensor(
        name="runs_that_were_cancelled",
        run_status=dg.DagsterRunStatus.CANCELED,
        monitored_jobs=[job],
        minimum_interval_seconds=STATUS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sets an export CANCELLED whose run was terminated, and clears its spool.",
    )
    def sensor(
        context: dg.RunStatusSensorContext,
        export_rows: dg.ResourceParam[ExportRows],
        spool: dg.ResourceParam[Spool],
    ) -> None:
        export_id = export_id_of(context.dagster_run)
        if export_id is None or _has_successor(context, context.dagster_run):
            return
        export_rows.cancel(export_id)
        spool.remove(export_folder(export_id))

    return sensor


def _has_successor(context: dg.RunStatusSensorContext, run: dg.DagsterRun) -> bool:
    """Whether a later run has taken over, so that the row is no longer this one's to set."""
    export_id = export_id_of(run) or ""
    newest = newest_runs(context.instance, [export_id]).get(export_id)
    return newest is not None and newest.run_id != run.run_id
