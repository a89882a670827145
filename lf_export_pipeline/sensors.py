"""Starts a run for each queued export, and keeps the rows true when runs end on their own.

Which exports get a run is decided in ``launching``, which ones were lost in ``recovery``, and what
becomes of an export when a run of it has ended in ``endings``.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.export_search import ExportSearch
from lf_export_pipeline.core.ownership import Claim
from lf_export_pipeline.core.ports import ExportRows, FileStore, Spool
from lf_export_pipeline.emails import record_missing_email
from lf_export_pipeline.export_file.attempt_folder import AttemptFolder, export_folder
from lf_export_pipeline.runs.endings import set_after_failure, set_after_termination
from lf_export_pipeline.runs.history import (
    JOB_NAME,
    claim_of,
    ended_attempts,
    export_id_of,
    has_live_sibling,
    in_flight_runs,
    live_attempts,
    root_run_id,
    runs_by_export,
)
from lf_export_pipeline.runs.kept_open import kept_database, kept_instance
from lf_export_pipeline.runs.launching import PAGE_ROWS, next_requests
from lf_export_pipeline.runs.leftovers import discard_ended_attempts, discard_failed_attempt
from lf_export_pipeline.runs.partitions import EXPORTS, is_partition_key
from lf_export_pipeline.runs.recovery import fail_silent_runs, queue_lost_exports_again
from lf_export_pipeline.runs.retries import (
    ask_for_missed_retries,
    is_retried,
    settled_failure,
)
from lf_export_pipeline.runs.unforeseen import unforeseen_without_words
from lf_export_pipeline.settings import Settings

STATUS_INTERVAL_SECONDS = 15  # each look costs the daemon a dozen connections
REMEMBERED_RECOVERIES = 1_000
BAD_ID_SENTENCE = (
    "The id of this export is empty, too long, or contains characters that a partition key "
    "cannot have. "
    "Please start it again."
)
STOPPABLE = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED)


def export_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """The sensor that finds queued exports; it is on unless someone switches it off."""

    @dg.sensor(
        name="queued_exports",
        job_name=JOB_NAME,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for each QUEUED row of batch_exports; projects take turns. "
        "Requeues exports that a crash left PROCESSING, and updates rows whose run ended while the "
        "database was down.",
    )
    @unforeseen_without_words()
    def queued_exports(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        settings = Settings.load()
        rows = kept_database(settings).exports
        return next_runs(kept_instance(context), rows, settings, context.cursor)

    return queued_exports


def next_runs(
    instance: dg.DagsterInstance, export_rows: ExportRows, settings: Settings, cursor: str | None
) -> dg.SensorResult:
    """The runs that begin now and the partitions they are of, or why none does.

    Args:
        instance: Dagster's records of the runs so far.
        export_rows: Where exports wait; those that can never have a run are FAILED.
        settings: How many runs there may be, and when one counts as lost.
        cursor: The cursor of the result before.
    """
    _refuse_bad_ids(export_rows)
    found = queue_lost_exports_again(instance, export_rows, settings)
    recoveries = _remembered(cursor) | found
    requests = next_requests(instance, export_rows, settings, recoveries)
    return _launched(requests, recoveries)


def _launched(requests: list[dg.RunRequest], recoveries: Mapping[str, int]) -> dg.SensorResult:
    """The requests; recoveries that found no room are remembered, so that they stay counted."""
    keys = [request.partition_key for request in requests if request.partition_key]
    pending = [(one, times) for one, times in recoveries.items() if one not in set(keys)]
    cursor = json.dumps(dict(pending[-REMEMBERED_RECOVERIES:]))
    if not requests:
        nothing = dg.SkipReason("No export is queued, or as many runs as allowed are in flight.")
        return dg.SensorResult(skip_reason=nothing, cursor=cursor)
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


def _refuse_bad_ids(export_rows: ExportRows) -> None:
    """The oldest rows suffice: those that are refused make room for the next."""
    for row in export_rows.queued(PAGE_ROWS):
        if not is_partition_key(row.id):
            as_seen = Claim(unchanged_since=row.updated_at)
            export_rows.fail(row.id, BAD_ID_SENTENCE, datetime.now(UTC), as_seen)


def runs_that_failed(job: dg.JobDefinition) -> dg.SensorDefinition:
    """The net below ``fail_export``: a run that was killed, or never began, sets no row."""

    @dg.run_failure_sensor(
        name="runs_that_failed",
        monitored_jobs=[job],
        minimum_interval_seconds=STATUS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sets an export FAILED when its run ended without updating the row and no "
        "retry is left. Requeues an export whose run could not start. If the run failed after it "
        "published its file, tags it so that the e-mail is sent later.",
    )
    @unforeseen_without_words()
    def sensor(
        context: dg.RunFailureSensorContext,
        export_rows: dg.ResourceParam[ExportRows],
        spool: dg.ResourceParam[Spool],
        files: dg.ResourceParam[FileStore],
    ) -> None:
        run = settled_failure(context.instance, context.dagster_run.run_id)
        if run is None or is_retried(run):
            return
        _look_for_missing_email(context, run, spool, export_rows)
        export_id = _answerable(context)
        if export_id is None:
            return
        runs = runs_by_export(context.instance, [export_id]).get(export_id, [])
        fate = set_after_failure(export_rows, export_id, claim_of(run), runs)
        if fate is not None:
            context.log.warning("Export %s %s", export_id, fate)
        folder = AttemptFolder.of(spool, export_id, root_run_id(run))
        discard_failed_attempt(folder, files, export_rows.get(export_id))

    return sensor


def _look_for_missing_email(
    context: dg.RunStatusSensorContext,
    run: dg.DagsterRun,
    spool: Spool,
    export_rows: ExportRows,
) -> None:
    """If the run published its file before it failed, tag it so that the e-mail is sent later.

    Skipped while another run of the same attempt is active. This comes first: Dagster calls the
    sensor once per run, and the rest fails without the database.
    """
    export_id = export_id_of(run)
    if export_id is None or root_run_id(run) in live_attempts(context.instance, run):
        return
    folder = AttemptFolder.of(spool, export_id, root_run_id(run))
    try:
        record_missing_email(context.instance, run, folder, export_rows)
    except ExportError as error:
        context.log.warning("Could not check whether an e-mail is owed: %s", error)


def runs_that_were_cancelled(job: dg.JobDefinition) -> dg.SensorDefinition:
    """A run that is terminated in the UI cancels its export, wherever the run was."""

    @dg.run_status_sensor(
        name="runs_that_were_cancelled",
        run_status=dg.DagsterRunStatus.CANCELED,
        monitored_jobs=[job],
        minimum_interval_seconds=STATUS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sets an export CANCELLED when its run was terminated, and deletes the run's "
        "files. If the run had published its file, tags it so that the e-mail is sent later.",
    )
    @unforeseen_without_words()
    def sensor(
        context: dg.RunStatusSensorContext,
        export_rows: dg.ResourceParam[ExportRows],
        spool: dg.ResourceParam[Spool],
        files: dg.ResourceParam[FileStore],
    ) -> None:
        run = context.dagster_run
        _look_for_missing_email(context, run, spool, export_rows)
        export_id = _answerable(context)
        if export_id is None:
            return
        fate = set_after_termination(export_rows, export_id, claim_of(run))
        if fate is not None:
            context.log.warning("Export %s %s", export_id, fate)
        ended, path = ended_attempts(context.instance, export_id), export_folder(export_id)
        discard_ended_attempts(spool, path, ended, files, export_rows.get(export_id))

    return sensor


def _answerable(context: dg.RunStatusSensorContext) -> str | None:
    """The export of a run that has ended, unless another run of it goes on."""
    run = context.dagster_run
    return None if has_live_sibling(context.instance, run) else export_id_of(run)


@dg.sensor(
    name="runs_in_flight",
    minimum_interval_seconds=STATUS_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Terminates runs of exports that were cancelled in Langfuse. Reports runs without "
    "a heartbeat as failed, and requests retries that Dagster missed.",
)
@unforeseen_without_words()
def runs_in_flight(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Stops runs of cancelled exports, queued ones too, and finds dead runs.

    A run whose export was cancelled notices that by itself between two chunks; this ends also a
    long query or upload.
    """
    settings, instance = Settings.load(), kept_instance(context)
    export_rows = kept_database(settings).exports
    silent = fail_silent_runs(instance, export_rows, settings)
    missed = ask_for_missed_retries(instance, settings.lost_after)
    unwanted = unwanted_runs(instance, export_rows)  # last: a launcher may fail to terminate one
    for run in unwanted:
        context.log.info("Terminating run %s: its export was cancelled", run.run_id)
        instance.run_coordinator.cancel_run(run.run_id)
    return dg.SkipReason(
        f"Terminated {len(unwanted)} runs of cancelled exports, reported {len(silent)} dead runs, "
        f"requested {len(missed)} retries that Dagster missed."
    )


def unwanted_runs(instance: dg.DagsterInstance, export_rows: ExportRows) -> list[dg.DagsterRun]:
    """The runs, waiting or running, of exports that are CANCELLED or gone."""
    runs = [record.dagster_run for record in in_flight_runs(instance)]
    by_export = [(one, run) for run in runs if (one := export_id_of(run)) is not None]
    ids = tuple({one for one, _ in by_export})
    rows = export_rows.find(ExportSearch(ids=ids, limit=len(ids))) if ids else []
    wanted = {row.id for row in rows if row.status != "CANCELLED"}
    return [run for one, run in by_export if one not in wanted and run.status in STOPPABLE]
