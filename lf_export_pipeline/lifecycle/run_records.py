"""What the history of Dagster's runs says about an export."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum

import dagster as dg

from lf_export_pipeline.core.request.ownership import Claim
from lf_export_pipeline.lifecycle.partitions import FAILURE_TAG, PARTITION_TAG, QUEUED_AT_TAG

JOB_NAME = "batch_export"

IN_FLIGHT = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.MANAGED,
)


class Failure(StrEnum):
    """Whose it is that an export has failed, as a tag of its run says."""

    REQUEST = "request"
    OPERATION = "operation"


def root_run_id(run: dg.DagsterRun) -> str:
    """The first run of a chain of re-executions; a run that is none is its own."""
    return run.root_run_id or run.run_id


def export_id_of(run: dg.DagsterRun) -> str | None:
    """The export that a run is about."""
    return run.tags.get(PARTITION_TAG)


def number_in(run: dg.DagsterRun, tag: str) -> int:
    """The number that a tag of ours holds; 0 without one, or where a person has written words."""
    text = run.tags.get(tag, "")
    return int(text) if text.isdecimal() else 0


def has_failed_step(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a step of this very run has failed for good."""
    failures = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    )
    return bool(failures.records)


def record_failure(instance: dg.DagsterInstance, run_id: str, failure: Failure) -> None:
    """Tag a run with whose failure its end is, so that people and checks can tell them apart."""
    instance.add_run_tags(run_id, {FAILURE_TAG: failure.value})


def is_request_failure(run: dg.DagsterRun) -> bool:
    """Whether the user has asked for what cannot be exported; nothing is broken then."""
    return run.tags.get(FAILURE_TAG) == Failure.REQUEST.value


def runs_by_export(
    instance: dg.DagsterInstance, export_ids: Sequence[str]
) -> dict[str, list[dg.RunRecord]]:
    """The runs of these exports, newest first."""
    found: dict[str, list[dg.RunRecord]] = {}
    wanted = dg.RunsFilter(job_name=JOB_NAME, tags={PARTITION_TAG: list(export_ids)})
    for record in instance.get_run_records(wanted) if export_ids else ():
        export_id = export_id_of(record.dagster_run)
        if export_id is not None:
            found.setdefault(export_id, []).append(record)
    return found


def newest_runs(
    instance: dg.DagsterInstance, export_ids: Sequence[str]
) -> dict[str, dg.DagsterRun]:
    """The newest run of each of these exports that has had one."""
    runs = runs_by_export(instance, export_ids)
    return {export_id: records[0].dagster_run for export_id, records in runs.items()}


def in_flight_runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """The runs of the job that have not ended, newest first."""
    wanted = dg.RunsFilter(job_name=JOB_NAME, statuses=list(IN_FLIGHT))
    return list(instance.get_run_records(wanted))


def live_siblings(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterRun]:
    """The other runs of the same export that have not ended, newest first."""
    export_id = export_id_of(run) or ""
    records = runs_by_export(instance, [export_id]).get(export_id, [])
    others = (record.dagster_run for record in records if record.dagster_run.run_id != run.run_id)
    return [other for other in others if other.status in IN_FLIGHT]


def has_live_sibling(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether another run of the same export has not ended: then the row is that one's to set."""
    return bool(live_siblings(instance, run))


def live_attempts(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    """The root runs of the chains, other runs' of the same export, that may still write files."""
    return {root_run_id(other) for other in live_siblings(instance, run)}


def ended_attempts(instance: dg.DagsterInstance, export_id: str) -> set[str]:
    """The root runs of those chains of an export that are known here and have no live run.

    What is not among them may be at work: a run that begins just now, or one of another Dagster.
    """
    records = runs_by_export(instance, [export_id]).get(export_id, [])
    runs = [record.dagster_run for record in records]
    alive = {root_run_id(run) for run in runs if run.status in IN_FLIGHT}
    return {root_run_id(run) for run in runs} - alive


def queued_at_of(run: dg.DagsterRun) -> datetime | None:
    """The queueing that a run was asked for: the ``updated_at`` of the row as it waited then.

    It comes from Langfuse's database and is compared with what is there. Dagster's own instants of
    runs are in its database's time zone, and say the wrong hour in any zone but UTC.
    """
    with suppress(ValueError):
        return datetime.fromisoformat(run.tags.get(QUEUED_AT_TAG, ""))
    return None


def claim_of(run: dg.DagsterRun) -> Claim:
    """What a run may end: the row that its chain has taken, or the queueing it was asked for."""
    return Claim(owner=root_run_id(run), unchanged_since=queued_at_of(run))


def first_event_at(instance: dg.DagsterInstance, run_id: str) -> datetime | None:
    """The instant of the first event of a run, by the clock of the process that has recorded it.

    None: nothing is recorded. Events carry seconds since 1970, in whatever zone their database is.
    """
    return _event_at(instance, run_id, is_first=True)


def last_event_at(instance: dg.DagsterInstance, run_id: str) -> datetime | None:
    """The instant of the newest event of a run; as ``first_event_at``."""
    return _event_at(instance, run_id, is_first=False)


def _event_at(instance: dg.DagsterInstance, run_id: str, *, is_first: bool) -> datetime | None:
    page = instance.get_records_for_run(run_id, limit=1, ascending=is_first)
    return next((datetime.fromtimestamp(one.timestamp, UTC) for one in page.records), None)
