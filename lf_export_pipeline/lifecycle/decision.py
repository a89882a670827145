"""What happens to an export: one pure decision over its row and its runs.

The sensor asks the same question at every tick, so an answer that could not be carried out once,
since a database was down or a process died, is given again: nothing can be told too late.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import Claim, owner_of
from lf_export_pipeline.lifecycle.partitions import is_partition_key

RETRY_RECORDED_AFTER = timedelta(seconds=10)
"""Dagster records one after another that a run failed, its status, and whether it is retried."""

RETRY_MISSED_AFTER = timedelta(seconds=30)  # Dagster's daemon looks every five
SUCCESS_SETTLES_AFTER = timedelta(seconds=60)
RELAUNCHED_AFTER = timedelta(seconds=15)
LAUNCHES_MAX = 15  # five rounds, each of which Dagster's run retries repeat twice
UPLOADING = "upload_file"  # the step
HUNG_FACTOR = 12
"""An upload that keeps its heartbeat is believed for so many times ``lost_after``."""

READING = timedelta(hours=1)
"""Other steps with a heartbeat are believed for that long: their statements have time limits."""

BAD_ID_MESSAGE = (
    "The id of this export is empty, too long, or contains characters that a partition key cannot "
    "have. Please start it again."
)
DEAD_MESSAGE = "This run sent no heartbeat and is considered dead."
RETRY_MESSAGE = "Dagster did not make the promised retry of this run; requesting it again."


class Action(Enum):
    """What the sensor does."""

    LEAVE = "leave"
    LAUNCH = "launch"
    REQUEUE = "requeue"
    FAIL = "fail"
    CANCEL = "cancel"
    STOP_RUN = "stop run"
    REPORT_DEAD = "report dead"
    ASK_RETRY = "ask for the retry"
    CLEAN_UP = "clean up"


class RunState(Enum):
    """The states of a run, as far as they make a difference here."""

    PENDING = "pending"  # created, or being launched
    QUEUED = "queued"
    STARTED = "started"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


ACTIVE = (RunState.PENDING, RunState.QUEUED, RunState.STARTED, RunState.CANCELING)
STOPPABLE = (RunState.QUEUED, RunState.STARTED)


class Retry(Enum):
    """Whether Dagster's run retries start a failed run again."""

    NONE = "none"  # or made already
    UNKNOWN = "unknown"  # not recorded yet
    PROMISED = "promised"
    REQUESTED = "requested"  # promised, missed, and asked for once more


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an export, as Dagster knows it; instants are UTC.

    Attributes:
        id: Dagster's id.
        root: The first run of its chain of re-executions, which owns the row for all of them.
        state: Where it is.
        queued_at: The ``updated_at`` of the row when the run was requested for it.
        started_at: When its process began; None: it never did.
        ended_at: When it ended; None: it is active.
        retry: Whether it will be started again, once it has failed.
        recovery: Which recovery of a lost export it is; 0: none.
        last_event_at: When it recorded its newest event; None: not looked up, or nothing recorded.
        steps: The steps that have begun and not ended; looked up together with ``last_event_at``.
        is_clean: Whether what it has left in spool and bucket was removed, or it left nothing.
    """

    id: str
    root: str
    state: RunState
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    retry: Retry = Retry.NONE
    recovery: int = 0
    last_event_at: datetime | None = None
    steps: tuple[str, ...] = ()
    is_clean: bool = True

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE


Runs = Sequence[Run]
"""The runs of one export, newest first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, and how often tried; see the settings of the same names."""

    lost_after: timedelta
    silent_after: timedelta
    max_recoveries: int

    @property
    def soonest(self) -> timedelta:
        """The least silence after which a run can count as dead."""
        return min(self.silent_after, self.lost_after)


@dataclass(frozen=True, slots=True)
class Decision:
    """An action, and what it needs.

    Attributes:
        action: What is done.
        run: Which run it is done to, or, of FAIL and CANCEL, which run has ended.
        user_message: What FAIL tells the user.
        claim: The state of the row that the change is guarded by.
        recovery: Of REQUEUE, which recovery this is, from 1.
    """

    action: Action
    run: Run | None = None
    user_message: str = ""
    claim: Claim | None = None
    recovery: int = 0


LEAVE = Decision(Action.LEAVE)


def decide(row: ExportRow | None, runs: Runs, now: datetime, limits: Limits) -> Decision:
    """The next action for an export; at most one, since the next tick asks again.

    Args:
        row: Its row; None: Langfuse has deleted it.
        runs: All of its runs that Dagster knows, newest first.
        now: This machine's clock, UTC.
        limits: From the settings.
    """
    active = [run for run in runs if run.is_active]
    if active:
        return _for_active(row, active, now, limits)
    for run in runs:
        if _awaits_retry(run, now, limits):
            return _for_promise(run, now)
    if row is not None and row.status == "QUEUED":
        return _for_queued(row, runs, now)
    if row is not None and row.status == "PROCESSING":
        return _for_processing(row, runs, now, limits)
    unclean = next((run for run in runs if not run.is_clean), None)
    return Decision(Action.CLEAN_UP, unclean) if unclean else LEAVE


def needs_history(row: ExportRow | None, run: Run, now: datetime, limits: Limits) -> bool:
    """Whether ``last_event_at`` and ``steps`` of a run matter: they cost two queries each.

    A run that has begun lately, or whose row has had a heartbeat lately, is believed without them.
    """
    if run.state is not RunState.STARTED or run.started_at is None:
        return False
    age = now - run.started_at
    believed = min(READING, limits.lost_after) if _has_heartbeat(row, run, now, limits) else None
    return age >= (believed or limits.soonest)


def believed_for(steps: Collection[str], lost_after: timedelta) -> timedelta:
    """How long steps with a heartbeat may record nothing.

    The upload of a huge file is one step that records nothing for hours. A step that reads is no
    longer working once all of its statements must have ended, whatever its thread still does.
    """
    longest = HUNG_FACTOR * lost_after
    return longest if UPLOADING in steps else min(longest, max(lost_after, READING))


def give_up_message(recoveries: int) -> str:
    """What the user of an export reads that was lost once too often."""
    times = "once" if recoveries == 0 else f"{recoveries + 1} times"
    return (
        f"The export was interrupted {times} and will not be retried. Please start it again; if it "
        "fails again, the operator of this installation can see the cause."
    )


def _for_active(row: ExportRow | None, active: Runs, now: datetime, limits: Limits) -> Decision:
    """Dead runs first: a launcher may be unable to stop those."""
    for run in active:
        if _is_dead(row, run, now, limits):
            return Decision(Action.REPORT_DEAD, run)
    if row is None or row.status == "CANCELLED":
        for run in active:
            if run.state in STOPPABLE:
                return Decision(Action.STOP_RUN, run)
    return LEAVE


def _is_dead(row: ExportRow | None, run: Run, now: datetime, limits: Limits) -> bool:
    """Whether nothing has been heard of a started run for too long.

    A step that works keeps its heartbeat, so little silence suffices to know that it is dead; while
    it does, it may record nothing for long. A run that waits for its next step (a Celery worker, a
    pod) has no heartbeat, and is given longer. Should a dead run be alive after all, the guards of
    the row keep it from doing harm.
    """
    if not needs_history(row, run, now, limits):
        return False
    heard = run.last_event_at or run.started_at
    if heard is None:
        return False
    silence = now - heard
    if row is None or row.status != "PROCESSING" or not run.steps:
        return silence >= limits.lost_after
    if _has_heartbeat(row, run, now, limits):
        return silence >= believed_for(run.steps, limits.lost_after)
    return silence >= limits.soonest


def _has_heartbeat(row: ExportRow | None, run: Run, now: datetime, limits: Limits) -> bool:
    if row is None or row.status != "PROCESSING" or owner_of(row) != run.root:
        return False
    return now - row.updated_at < limits.soonest


def _awaits_retry(run: Run, now: datetime, limits: Limits) -> bool:
    if run.state is not RunState.FAILED or run.ended_at is None:
        return False
    if run.retry is Retry.UNKNOWN:
        return now - run.ended_at < RETRY_RECORDED_AFTER
    return _is_promised(run) and now - run.ended_at < limits.lost_after


def _for_promise(run: Run, now: datetime) -> Decision:
    """A promised retry is waited for, and asked for once if it does not come.

    If that does not help either, the export counts as lost when ``lost_after`` is over.
    """
    assert run.ended_at is not None  # noqa: S101 - it has failed
    is_missed = run.retry is Retry.PROMISED and now - run.ended_at > RETRY_MISSED_AFTER
    return Decision(Action.ASK_RETRY, run) if is_missed else LEAVE


def _for_queued(row: ExportRow, runs: Runs, now: datetime) -> Decision:
    """A row waits for its run, unless the run of this queueing has ended without setting it."""
    as_seen = Claim(unchanged_since=row.updated_at)
    if not is_partition_key(row.id):
        return Decision(Action.FAIL, None, BAD_ID_MESSAGE, as_seen)
    last = next(iter(runs), None)
    if last is None or last.queued_at != row.updated_at:
        return Decision(Action.LAUNCH)
    if last.state is RunState.CANCELED:
        return Decision(Action.CANCEL, last, claim=as_seen)
    if last.state is not RunState.FAILED:
        return Decision(Action.LAUNCH)
    launches = [run for run in runs if run.queued_at == row.updated_at]
    if any(run.started_at for run in launches) or len(launches) >= LAUNCHES_MAX:
        return Decision(Action.FAIL, last, GENERIC_USER_MESSAGE, as_seen)
    # A code server that is being restarted refuses to begin runs for some seconds. That says
    # nothing about the export.
    is_settled = last.ended_at is None or now - last.ended_at >= RELAUNCHED_AFTER
    return Decision(Action.LAUNCH) if is_settled else LEAVE


def _for_processing(row: ExportRow, runs: Runs, now: datetime, limits: Limits) -> Decision:
    """A row is ended as its owner's last run has; one of nobody known is lost in the end."""
    owner = owner_of(row)
    last = next((run for run in runs if run.root == owner), None)
    own = Claim(owner=owner, unchanged_since=row.updated_at)
    if last is not None and last.state is RunState.FAILED and not _is_promised(last):
        return Decision(Action.FAIL, last, GENERIC_USER_MESSAGE, own)
    if last is not None and last.state is RunState.CANCELED:
        return Decision(Action.CANCEL, last, claim=own)
    newest = last or next(iter(runs), None)
    patience = limits.lost_after
    if last is not None and last.state is RunState.SUCCEEDED and not _is_newer(row, last):
        patience = min(SUCCESS_SETTLES_AFTER, limits.lost_after)
    quiet_since = max(row.updated_at, (newest and newest.ended_at) or row.updated_at)
    return LEAVE if now - quiet_since < patience else _for_lost(row, newest, limits)


def _is_promised(run: Run) -> bool:
    """Whether a retry was promised; if it has never come, the export deserves another run."""
    return run.retry in (Retry.PROMISED, Retry.REQUESTED)


def _is_newer(row: ExportRow, run: Run) -> bool:
    return run.ended_at is not None and row.updated_at > run.ended_at


def _for_lost(row: ExportRow, newest: Run | None, limits: Limits) -> Decision:
    """Somebody else's row: Langfuse's own worker's, another Dagster's, or that of a shell."""
    recoveries = newest.recovery if newest else 0
    as_seen = Claim(unchanged_since=row.updated_at)
    if recoveries >= limits.max_recoveries:
        return Decision(Action.FAIL, newest, give_up_message(recoveries), as_seen)
    return Decision(Action.REQUEUE, newest, claim=as_seen, recovery=recoveries + 1)
