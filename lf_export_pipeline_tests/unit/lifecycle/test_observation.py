"""Dagster's records of runs as the values that decisions are made of."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.decision import Limits, Retry, Run, RunState
from lf_export_pipeline.lifecycle.observation import STATES, run_of, runs_of, unsettled_runs
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, QUEUED_AT_TAG, RECOVERY_TAG
from lf_export_pipeline.lifecycle.retries import (
    ASKED_AGAIN_TAG,
    CLEANED_TAG,
    RETRY_RUN_TAG,
    WILL_RETRY_TAG,
)
from lf_export_pipeline.lifecycle.run_records import runs_by_export

JOB = batch_export_job()
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
RUN_ID = "0f6f8b0e-4a3d-4d0e-9d55-3a3c1f7a2b11"
IMPATIENT = Limits(lost_after=HOUR, silent_after=timedelta(0), max_recoveries=3)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    retried = {"run_retries": {"enabled": True, "max_retries": 2}}
    with dg.DagsterInstance.ephemeral(settings=retried) as ephemeral:
        yield ephemeral


def begun(instance: dg.DagsterInstance, run_id: str | None = None, **tags: str) -> dg.DagsterRun:
    known = {PARTITION_TAG: "a", **tags}
    run = instance.create_run_for_job(JOB, run_id=run_id, tags=known)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(event, run.run_id)
    return run


def observed(instance: dg.DagsterInstance, limits: Limits = IMPATIENT) -> list[Run]:
    records = runs_by_export(instance, ["a"]).get("a", [])
    return runs_of(instance, None, records, datetime.now(UTC), limits)


def test_each_status_of_dagster_has_a_state() -> None:
    assert STATES.keys() == set(dg.DagsterRunStatus)


@pytest.mark.parametrize(
    "status", [one for one in dg.DagsterRunStatus if one is not dg.DagsterRunStatus.QUEUED]
)
def test_run_has_an_end_unless_it_is_active(
    status: dg.DagsterRunStatus, instance: dg.DagsterInstance
) -> None:
    instance.create_run_for_job(JOB, status=status, tags={PARTITION_TAG: "a"})

    (run,) = observed(instance)

    assert run.is_active is not status.name.endswith(("SUCCESS", "FAILURE", "CANCELED"))
    assert (run.ended_at is None) is run.is_active


def test_tags_tell_of_queueing_and_recovery(instance: dg.DagsterInstance) -> None:
    tags = {QUEUED_AT_TAG: NOW.isoformat(), RECOVERY_TAG: "2"}
    made = begun(instance, **tags)

    (run,) = observed(instance)

    assert (run.id, run.root, run.queued_at, run.recovery) == (made.run_id, made.run_id, NOW, 2)
    assert run.started_at is not None


def test_run_that_could_not_begin_has_no_start(instance: dg.DagsterInstance) -> None:
    instance.report_run_failed(instance.create_run_for_job(JOB, tags={PARTITION_TAG: "a"}))

    (run,) = observed(instance)

    assert (run.state, run.started_at) == (RunState.FAILED, None)
    assert run.ended_at is not None


@pytest.mark.parametrize(
    ("tags", "enabled", "retry"),
    [
        ({WILL_RETRY_TAG: "true"}, True, Retry.PROMISED),
        ({WILL_RETRY_TAG: "true", ASKED_AGAIN_TAG: RUN_ID}, True, Retry.REQUESTED),
        ({WILL_RETRY_TAG: "true", ASKED_AGAIN_TAG: "inherited"}, True, Retry.PROMISED),
        ({WILL_RETRY_TAG: "true", RETRY_RUN_TAG: "another"}, True, Retry.NONE),
        ({WILL_RETRY_TAG: "false"}, True, Retry.NONE),
        ({}, True, Retry.UNKNOWN),
        ({}, False, Retry.NONE),
    ],
)
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_retry_of_a_failed_run_is_told_by_its_tags(
    status: dg.DagsterRunStatus,
    tags: dict[str, str],
    enabled: bool,
    retry: Retry,
    instance: dg.DagsterInstance,
) -> None:
    known = {PARTITION_TAG: "a", **tags}
    instance.create_run_for_job(JOB, run_id=RUN_ID, status=status, tags=known)
    (record,) = instance.get_run_records()

    has_failed = status is dg.DagsterRunStatus.FAILURE
    expected = retry if has_failed else Retry.NONE
    assert run_of(record, retries_enabled=enabled).retry is expected


def test_history_is_the_newest_event_and_the_steps_under_way(
    instance: dg.DagsterInstance,
) -> None:
    run = begun(instance)
    for event, step in (
        ("STEP_START", "stream_chunks"),
        ("STEP_SKIPPED", "stream_chunks"),
        ("STEP_START", "upload_file"),
    ):
        at = (NOW - HOUR).timestamp()
        recorded = dg.DagsterEvent(event, run.job_name, step_key=step)
        instance.report_dagster_event(recorded, run.run_id, timestamp=at)

    (found,) = observed(instance)

    assert found.steps == ("upload_file",)
    assert found.last_event_at is not None
    assert abs(found.last_event_at - (NOW - HOUR)) < timedelta(seconds=1)


def test_history_is_not_read_of_a_run_that_has_just_begun(instance: dg.DagsterInstance) -> None:
    begun(instance)

    (found,) = observed(instance, Limits(HOUR, HOUR, max_recoveries=3))

    assert found.last_event_at is None


def test_runs_that_ended_badly_are_settled_when_they_are_clean_and_wait_for_no_retry(
    instance: dg.DagsterInstance,
) -> None:
    unclean = begun(instance)
    clean_and_promised = begun(instance)
    clean_and_made = begun(instance, **{RETRY_RUN_TAG: "another"})
    for run in (unclean, clean_and_promised, clean_and_made):
        instance.report_run_failed(run)
    for run in (clean_and_promised, clean_and_made):
        instance.add_run_tags(run.run_id, {CLEANED_TAG: run.run_id})
    begun(instance)

    found = unsettled_runs(instance, NOW - HOUR)

    wanted = {unclean.run_id, clean_and_promised.run_id}
    assert {record.dagster_run.run_id for record in found} == wanted
    assert not unsettled_runs(instance, datetime.now(UTC) + HOUR)


@pytest.mark.parametrize(
    ("status", "tags", "is_clean"),
    [
        (dg.DagsterRunStatus.FAILURE, {}, False),
        (dg.DagsterRunStatus.CANCELED, {}, False),
        (dg.DagsterRunStatus.FAILURE, {CLEANED_TAG: RUN_ID}, True),
        (dg.DagsterRunStatus.FAILURE, {CLEANED_TAG: "inherited"}, False),
        (dg.DagsterRunStatus.SUCCESS, {}, True),
    ],
)
def test_run_that_ended_badly_is_not_clean_until_a_tag_says_so(
    status: dg.DagsterRunStatus,
    tags: dict[str, str],
    is_clean: bool,
    instance: dg.DagsterInstance,
) -> None:
    run = begun(instance, RUN_ID, **tags)
    kind = {
        dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterRunStatus.CANCELED: dg.DagsterEventType.RUN_CANCELED,
        dg.DagsterRunStatus.SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
    }[status]
    instance.report_dagster_event(dg.DagsterEvent(kind.value, run.job_name), run.run_id)

    (found,) = observed(instance)

    assert found.is_clean is is_clean
