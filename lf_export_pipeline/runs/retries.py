"""Whether Dagster's run retries start a failed run again, and what to do where they forget to.

Dagster puts down one after another that a run has failed, its new status, and the tag that says
whether it will be retried. Its daemon looks at a failure once. If it looks in between, it takes the
run for one that has not failed, and the retry that the tag promises is never made: that is what
https://github.com/dagster-io/dagster/issues/33741 is about.
"""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from lf_export_pipeline.runs.history import IN_FLIGHT, JOB_NAME

WILL_RETRY_TAG = "dagster/will_retry"
RETRY_RUN_TAG = "dagster/auto_retry_run_id"
ASKED_AGAIN_TAG = "lf_export/retry_asked_again"
MISSED_AFTER = timedelta(seconds=30)  # the daemon looks every five
MISSED_MAX_RUNS = 100
ANY_ZONE = timedelta(days=1)
"""By how much Dagster's instants of runs may be off, which are in the zone of its database."""
SETTLED_SECONDS = 10.0
LOOK_SECONDS = 0.2
ASKED_AGAIN_SENTENCE = (
    "Dagster has not made the retry that this run was to get, and is asked for it again."
)


def is_retried(run: dg.DagsterRun) -> bool:
    """Whether Dagster's run retries will start a failed run again: then it is not the end yet."""
    return run.tags.get(WILL_RETRY_TAG) == "true"


def is_alive(run: dg.DagsterRun) -> bool:
    """Whether a run has not ended, or Dagster will start it again."""
    return run.status in IN_FLIGHT or is_retried(run)


def settled_failure(
    instance: dg.DagsterInstance, run_id: str, patience_seconds: float = SETTLED_SECONDS
) -> dg.DagsterRun | None:
    """A run that has just failed, as soon as it is known whether it will be retried.

    Returns:
        None for a run that is gone, or that is not marked as failed: whoever put its failure down
        has died over it, or it was started by hand meanwhile. Silence then tells in the end.
    """
    deadline = time.monotonic() + patience_seconds
    run = instance.get_run_by_id(run_id)
    while run is not None and not _is_settled(instance, run) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        run = instance.get_run_by_id(run_id)
    return run if run is not None and _has_failed(run) else None


def _is_settled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return _has_failed(run) and (WILL_RETRY_TAG in run.tags or not instance.run_retries_enabled)


def _has_failed(run: dg.DagsterRun) -> bool:
    return run.status is dg.DagsterRunStatus.FAILURE


def ask_for_missed_retries(instance: dg.DagsterInstance, lost_after: timedelta) -> list[str]:
    """Reports failures once more whose promised retry does not come; says of which runs.

    That is safe, since Dagster makes one retry of a run however often it is told of its failure.
    Each run is asked for once. If that does not help either, its export is lost like any other, and
    found when ``lost_after`` is over.
    """
    now = datetime.now(UTC)
    wanted = dg.RunsFilter(
        job_name=JOB_NAME,
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY_TAG: "true"},
        updated_after=now - lost_after - ANY_ZONE,
    )
    found = (
        record.dagster_run
        for record in instance.get_run_records(wanted)
        if MISSED_AFTER < now - datetime.fromtimestamp(record.end_time or 0.0, UTC) < lost_after
    )
    missed = [run for run in found if not {RETRY_RUN_TAG, ASKED_AGAIN_TAG} & run.tags.keys()]
    asked_for = missed[:MISSED_MAX_RUNS]
    for run in asked_for:
        # First the tag: Dagster reads and writes all of a run's tags, and will set its own now.
        instance.add_run_tags(run.run_id, {ASKED_AGAIN_TAG: "true"})
        instance.report_run_failed(run, ASKED_AGAIN_SENTENCE)
    return [run.run_id for run in asked_for]
