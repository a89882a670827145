"""What Dagster knows of the runs of exports, as the plain values that ``decision`` works on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.decision import Limits, Retry, Run, RunState, needs_history
from lf_export_pipeline.lifecycle.partitions import RECOVERY_TAG
from lf_export_pipeline.lifecycle.retries import (
    ANY_ZONE,
    ASKED_AGAIN_TAG,
    CLEANED_TAG,
    RETRY_RUN_TAG,
    WILL_RETRY_TAG,
    is_marked,
    is_retried,
)
from lf_export_pipeline.lifecycle.run_records import (
    JOB_NAME,
    last_event_at,
    number_in,
    queued_at_of,
    root_run_id,
)
from lf_export_pipeline.settings.operating import OperatingSettings

UNSETTLED_MAX = 200

ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

STATES: Mapping[dg.DagsterRunStatus, RunState] = {
    dg.DagsterRunStatus.NOT_STARTED: RunState.PENDING,
    dg.DagsterRunStatus.MANAGED: RunState.PENDING,
    dg.DagsterRunStatus.STARTING: RunState.PENDING,
    dg.DagsterRunStatus.SUSPENDED: RunState.PENDING,
    dg.DagsterRunStatus.QUEUED: RunState.QUEUED,
    dg.DagsterRunStatus.STARTED: RunState.STARTED,
    dg.DagsterRunStatus.CANCELING: RunState.CANCELING,
    dg.DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: RunState.FAILED,
    dg.DagsterRunStatus.CANCELED: RunState.CANCELED,
}


def limits_of(settings: OperatingSettings) -> Limits:
    """The settings that decisions depend on."""
    return Limits(
        lost_after=settings.lost_after,
        silent_after=settings.silent_after,
        max_recoveries=settings.lf_export_max_recoveries,
    )


def run_of(record: dg.RunRecord, *, retries_enabled: bool) -> Run:
    """A run without its history."""
    run, started, ended = record.dagster_run, record.start_time, record.end_time
    state = STATES[run.status]
    found = Run(
        id=run.run_id,
        root=root_run_id(run),
        state=state,
        queued_at=queued_at_of(run),
        started_at=_instant(started) if started else None,
        retry=_retry_of(run, retries_enabled=retries_enabled),
        recovery=number_in(run, RECOVERY_TAG),
        is_clean=run.status not in ENDED_BADLY or not started or is_marked(run, CLEANED_TAG),
    )
    return found if found.is_active else replace(found, ended_at=_instant(ended or started or 0.0))


def runs_of(
    instance: dg.DagsterInstance,
    row: ExportRow | None,
    newest_first: Sequence[dg.RunRecord],
    now: datetime,
    limits: Limits,
) -> list[Run]:
    """The runs of an export, newest first, with their history where a decision depends on it."""
    enabled = instance.run_retries_enabled
    runs = [run_of(record, retries_enabled=enabled) for record in newest_first]
    return [
        _with_history(instance, run) if needs_history(row, run, now, limits) else run
        for run in runs
    ]


def unsettled_runs(instance: dg.DagsterInstance, since: datetime) -> list[dg.RunRecord]:
    """The newest runs that ended badly at or after an instant and need a retry or a clean-up."""
    wanted = dg.RunsFilter(
        job_name=JOB_NAME, statuses=list(ENDED_BADLY), updated_after=since - ANY_ZONE
    )
    return [
        record
        for record in instance.get_run_records(wanted, limit=UNSETTLED_MAX)
        if _is_unsettled(record.dagster_run) and _ended_since(record, since)
    ]


def _is_unsettled(run: dg.DagsterRun) -> bool:
    awaits_retry = is_retried(run) and RETRY_RUN_TAG not in run.tags
    return awaits_retry or not is_marked(run, CLEANED_TAG)


def _ended_since(record: dg.RunRecord, since: datetime) -> bool:
    return record.end_time is not None and _instant(record.end_time) >= since


def _retry_of(run: dg.DagsterRun, *, retries_enabled: bool) -> Retry:
    if run.status is not dg.DagsterRunStatus.FAILURE or RETRY_RUN_TAG in run.tags:
        return Retry.NONE
    if is_retried(run):
        return Retry.REQUESTED if is_marked(run, ASKED_AGAIN_TAG) else Retry.PROMISED
    is_recorded = WILL_RETRY_TAG in run.tags or not retries_enabled
    return Retry.NONE if is_recorded else Retry.UNKNOWN


def _with_history(instance: dg.DagsterInstance, run: Run) -> Run:
    stats = instance.get_run_step_stats(run.id)
    steps = [one.step_key for one in stats if one.status and one.status.value == "IN_PROGRESS"]
    return replace(run, last_event_at=last_event_at(instance, run.id), steps=tuple(steps))


def _instant(seconds: float) -> datetime:
    """Not Dagster's ``update_timestamp``, which is in the time zone of its database."""
    return datetime.fromtimestamp(seconds, UTC)
