"""Finds what crashes have left behind: runs without a process, and rows without a run.

A run worker that dies is reported by the server that launched it, a pod that dies by Dagster's run
monitoring. When machine, server and daemon die together, nobody is left to report anything: then
only silence tells.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import dagster as dg

from lf_export_pipeline.core.export_search import ExportSearch
from lf_export_pipeline.core.ownership import Claim, owner_of
from lf_export_pipeline.core.ports import ExportRows
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.runs.history import (
    IN_FLIGHT,
    export_id_of,
    in_flight_runs,
    last_word,
    number_in,
    root_run_id,
    runs_by_export,
)
from lf_export_pipeline.runs.partitions import RECOVERY_TAG
from lf_export_pipeline.runs.retries import is_retried
from lf_export_pipeline.settings.operating import OperatingSettings

UPLOADING = "upload_file"  # the step
HUNG_FACTOR = 12
"""An upload that touches its row is believed for so many times the delay of others."""
READING = timedelta(hours=1)
"""Other steps that do so are believed for that long: their statements have time limits."""
SETTLING = timedelta(seconds=60)  # the time that the sensors of ended runs get to set their row
LOST_MAX_ROWS = 100
SILENCE_SENTENCE = "This run sent no heartbeat and is considered dead."


class Verdict(Enum):
    """What happens to a row that is PROCESSING."""

    LEAVE = "leave"
    QUEUE_AGAIN = "queue again"
    GIVE_UP = "give up"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class LastRun:
    """The end of the story of an export, as far as Dagster knows it.

    Attributes:
        in_flight: Whether any run has not ended.
        ended_at: When the last one ended, which is the newest of the chain that has taken the row,
            or else the newest of all.
        root: The first run of its chain.
        is_retried: Whether Dagster will start it again.
        was_terminated: Whether a person has ended it.
        recoveries: How often the export has been found lost before.
    """

    in_flight: bool
    ended_at: datetime
    root: str = ""
    is_retried: bool = False
    was_terminated: bool = False
    recoveries: int = 0


def verdict_on(
    row: ExportRow, last: LastRun | None, now: datetime, lost_after: timedelta, max_recoveries: int
) -> Verdict:
    """Whether a row that is PROCESSING has anybody who works on it.

    A row that does not carry the mark of its last run, or was changed after that had ended, is
    someone else's: Langfuse's own worker's, another Dagster's, or that of an export in an
    operator's shell. These get the long delay, since nothing is known of them. What a person has
    terminated is not queued again, should the sensor of terminated runs not have reached the row.
    """
    if last is not None and last.in_flight:
        return Verdict.LEAVE
    if now - _quiet_since(row, last) < _patience(row, last, lost_after):
        return Verdict.LEAVE
    if last is not None and last.was_terminated and _is_of(row, last):
        return Verdict.CANCEL
    recoveries = last.recoveries if last else 0
    return Verdict.GIVE_UP if recoveries >= max_recoveries else Verdict.QUEUE_AGAIN


def _quiet_since(row: ExportRow, last: LastRun | None) -> datetime:
    return row.updated_at if last is None else max(row.updated_at, last.ended_at)


def _patience(row: ExportRow, last: LastRun | None, lost_after: timedelta) -> timedelta:
    is_known = last is not None and _is_of(row, last) and not last.is_retried
    return min(SETTLING, lost_after) if is_known else lost_after


def _is_of(row: ExportRow, last: LastRun) -> bool:
    """Whether the last run has left the row as it is."""
    return owner_of(row) == last.root and row.updated_at <= last.ended_at


def give_up_sentence(recoveries: int) -> str:
    """What the user of an export reads that does not survive."""
    times = "once" if recoveries == 0 else f"{recoveries + 1} times"
    return (
        f"The export was interrupted {times} and will not be retried. Please start it again; if it "
        "fails again, the operator of this installation can see the cause."
    )


def queue_lost_exports_again(
    instance: dg.DagsterInstance, export_rows: ExportRows, settings: OperatingSettings
) -> dict[str, int]:
    """Queues exports again that nobody works on; says which recovery of each this is, from 1.

    An export that has been lost too often is FAILED instead. Every change is guarded by the instant
    at which the row was seen to be untouched.
    """
    rows = export_rows.find(ExportSearch(statuses=("PROCESSING",), limit=LOST_MAX_ROWS))
    known = last_runs(instance, rows)
    now, queued = datetime.now(UTC), dict[str, int]()
    for row in rows:
        last = known.get(row.id)
        times = last.recoveries if last else 0
        limit = settings.lf_export_max_recoveries
        verdict = verdict_on(row, last, now, settings.lost_after, limit)
        if verdict is Verdict.QUEUE_AGAIN and export_rows.release(row.id, row.updated_at):
            queued[row.id] = times + 1
        elif verdict is Verdict.GIVE_UP:
            as_seen = Claim(unchanged_since=row.updated_at)
            export_rows.fail(row.id, give_up_sentence(times), now, as_seen)
        elif verdict is Verdict.CANCEL:
            export_rows.cancel(row.id, Claim(unchanged_since=row.updated_at))
    return queued


def last_runs(instance: dg.DagsterInstance, rows: Sequence[ExportRow]) -> dict[str, LastRun]:
    """The last run of each of these exports that has had one."""
    runs = runs_by_export(instance, [row.id for row in rows])
    return {row.id: last_run_of(runs[row.id], owner_of(row)) for row in rows if row.id in runs}


def last_run_of(newest_first: Sequence[dg.RunRecord], owner: str | None = None) -> LastRun:
    """How the runs of an export, newest first and at least one, have ended.

    Args:
        newest_first: The runs.
        owner: The root of the chain that has taken the row.
    """
    owners = [one for one in newest_first if root_run_id(one.dagster_run) == owner]
    newest = next(iter(owners), newest_first[0])
    ended = newest.end_time or newest.start_time or 0.0
    return LastRun(
        in_flight=any(record.dagster_run.status in IN_FLIGHT for record in newest_first),
        ended_at=datetime.fromtimestamp(ended, UTC),
        root=root_run_id(newest.dagster_run),
        is_retried=is_retried(newest.dagster_run),
        was_terminated=newest.dagster_run.status is dg.DagsterRunStatus.CANCELED,
        recoveries=number_in(newest.dagster_run, RECOVERY_TAG),
    )


def fail_silent_runs(
    instance: dg.DagsterInstance, export_rows: ExportRows, settings: OperatingSettings
) -> list[str]:
    """Reports runs as failed that are said to be running and have given no sign of life for long.

    A step that works touches its row, so little silence suffices to know that it is dead, and as
    long as it does that it may say nothing else for an hour, or for many if it uploads. A run that
    waits for its next step (for a Celery worker, a pod) touches nothing, and is given longer.

    Dagster's run retries then resume them, as they do with any run worker that has died. Should one
    of them live after all, the guards of the row keep it from doing harm.
    """
    silent = [
        record.dagster_run
        for record in in_flight_runs(instance, [dg.DagsterRunStatus.STARTED])
        if _is_dead(instance, export_rows, record, settings)
    ]
    for run in silent:
        instance.report_run_failed(run, SILENCE_SENTENCE)
    return [run.run_id for run in silent]


def _is_dead(
    instance: dg.DagsterInstance,
    export_rows: ExportRows,
    record: dg.RunRecord,
    settings: OperatingSettings,
) -> bool:
    now, lost_after = datetime.now(UTC), settings.lost_after
    soonest = min(settings.silent_after, lost_after)
    began = _began_at(record)
    if began is not None and now - began < soonest:
        return False
    heard = last_word(instance, record.dagster_run.run_id) or began
    if heard is None or (silence := now - heard) < soonest:
        return False
    row = export_rows.get(export_id_of(record.dagster_run) or "")
    steps = _steps_under_way(instance, record)
    if row is None or row.status != "PROCESSING" or not steps:
        return silence >= lost_after
    is_own = owner_of(row) == root_run_id(record.dagster_run)
    is_touched = is_own and now - row.updated_at < soonest
    return silence >= (believed_for(steps, lost_after) if is_touched else soonest)


def believed_for(steps: Collection[str], lost_after: timedelta) -> timedelta:
    """How long steps that touch their row may say nothing else.

    The upload of a huge file is one step that says nothing for hours. A step that reads is no
    longer at work once all of its statements must have ended, whatever its thread still touches.
    """
    longest = HUNG_FACTOR * lost_after
    return longest if UPLOADING in steps else min(longest, max(lost_after, READING))


def _steps_under_way(instance: dg.DagsterInstance, record: dg.RunRecord) -> list[str]:
    """The steps that have begun and not ended."""
    steps = instance.get_run_step_stats(record.dagster_run.run_id)
    return [one.step_key for one in steps if one.status and one.status.value == "IN_PROGRESS"]


def _began_at(record: dg.RunRecord) -> datetime | None:
    """Not Dagster's ``update_timestamp``, which is in the time zone of its database."""
    return datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None
