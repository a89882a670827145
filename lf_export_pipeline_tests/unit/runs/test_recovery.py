"""Exports and runs that a crash has left behind."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.core.ownership import mark_of
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.runs.partitions import PARTITION_TAG, RECOVERY_TAG
from lf_export_pipeline.runs.recovery import (
    LastRun,
    Verdict,
    fail_silent_runs,
    give_up_sentence,
    last_runs,
    queue_lost_exports_again,
    verdict_on,
)
from lf_export_pipeline.runs.retries import WILL_RETRY_TAG
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.fakes import FakeExportRows
from lf_export_pipeline_tests.numbers_table import export_row

NOW = datetime(2031, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def ended(ago: timedelta, **values: object) -> LastRun:
    return LastRun(in_flight=False, ended_at=NOW - ago, root="run", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("touched", "last", "expected"),
    [
        (2 * HOUR, LastRun(in_flight=True, ended_at=NOW - 2 * HOUR), Verdict.LEAVE),
        (2 * HOUR, ended(HOUR), Verdict.QUEUE_AGAIN),
        (2 * HOUR, ended(timedelta(seconds=30)), Verdict.LEAVE),
        (2 * HOUR, ended(2 * MINUTE), Verdict.QUEUE_AGAIN),
        (2 * HOUR, ended(2 * MINUTE, is_retried=True), Verdict.LEAVE),
        (2 * HOUR, ended(HOUR, is_retried=True), Verdict.QUEUE_AGAIN),
        (MINUTE, ended(2 * HOUR), Verdict.LEAVE),
        (HOUR, ended(2 * HOUR), Verdict.QUEUE_AGAIN),
        (59 * MINUTE, None, Verdict.LEAVE),
        (HOUR, None, Verdict.QUEUE_AGAIN),
        (2 * HOUR, ended(HOUR, recoveries=2), Verdict.QUEUE_AGAIN),
        (2 * HOUR, ended(HOUR, recoveries=3), Verdict.GIVE_UP),
        (2 * HOUR, ended(timedelta(seconds=30), was_terminated=True), Verdict.LEAVE),
        (2 * HOUR, ended(2 * MINUTE, was_terminated=True), Verdict.CANCEL),
        (HOUR, ended(2 * HOUR, was_terminated=True), Verdict.QUEUE_AGAIN),
    ],
)
def test_verdict_on_a_row_that_is_processing(
    touched: timedelta, last: LastRun | None, expected: Verdict
) -> None:
    row = export_row(status="PROCESSING", log=mark_of("run"), updated_at=NOW - touched)

    assert verdict_on(row, last, NOW, lost_after=HOUR, max_recoveries=3) is expected


@pytest.mark.parametrize("log", [mark_of("another"), None], ids=["marked", "unmarked"])
@pytest.mark.parametrize("was_terminated", [False, True])
def test_row_that_is_not_the_last_runs_is_left_alone_for_long(
    was_terminated: bool, log: str | None
) -> None:
    last = ended(2 * MINUTE, was_terminated=was_terminated)
    rows = {
        touched: export_row(status="PROCESSING", log=log, updated_at=NOW - touched)
        for touched in (59 * MINUTE, HOUR)
    }

    verdicts = [verdict_on(row, last, NOW, HOUR, max_recoveries=3) for row in rows.values()]

    assert verdicts == [Verdict.LEAVE, Verdict.LEAVE]
    long_over = ended(2 * HOUR, was_terminated=was_terminated)
    assert verdict_on(rows[HOUR], long_over, NOW, HOUR, 3) is Verdict.QUEUE_AGAIN


def test_lost_export_is_queued_again_and_its_recoveries_are_counted(
    instance: dg.DagsterInstance,
) -> None:
    rows = FakeExportRows(
        export_row("first", status="PROCESSING", updated_at=LONG_AGO, log="old"),
        export_row("alive", status="PROCESSING"),
        export_row("done", status="COMPLETED", updated_at=LONG_AGO),
    )

    assert queue_lost_exports_again(instance, rows, OperatingSettings()) == {"first": 1}

    assert (rows.rows["first"].status, rows.rows["first"].log) == ("QUEUED", None)
    assert rows.rows["alive"].status == "PROCESSING"
    assert rows.rows["done"].status == "COMPLETED"


def test_export_that_was_recovered_too_often_is_failed_with_a_sentence(
    instance: dg.DagsterInstance,
) -> None:
    rows = FakeExportRows(export_row("a", status="PROCESSING", updated_at=LONG_AGO))

    queued = queue_lost_exports_again(instance, rows, OperatingSettings(lf_export_max_recoveries=0))

    assert queued == {}
    assert (rows.rows["a"].status, rows.rows["a"].log) == ("FAILED", give_up_sentence(0))


def test_recoveries_are_counted_by_the_tag_of_the_newest_run(
    instance: dg.DagsterInstance,
) -> None:
    for recovery in ("1", "2"):
        instance.create_run_for_job(
            batch_export_job(),
            status=dg.DagsterRunStatus.FAILURE,
            tags={PARTITION_TAG: "a", RECOVERY_TAG: recovery},
        )

    assert last_runs(instance, [export_row("a")])["a"].recoveries == 2


def silence(*, lost: int, dead: int = 300) -> OperatingSettings:
    return OperatingSettings.model_construct(
        lf_export_lost_after_seconds=lost, lf_export_silent_after_seconds=dead
    )


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.create_run_for_job(batch_export_job(), tags={PARTITION_TAG: "a"})
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(event, run.run_id)
    return run


@pytest.mark.parametrize(
    ("events", "untouched", "is_dead"),
    [
        (["STEP_START"], HOUR, True),
        (["STEP_START"], -HOUR, False),  # every touch is younger than no silence at all
        (["STEP_START", "STEP_SKIPPED"], HOUR, False),
        ([], HOUR, False),
    ],
    ids=["untouched in a step", "touched in a step", "between steps", "before the first step"],
)
def test_run_that_does_not_touch_its_row_in_a_step_is_dead_long_before_it_is_lost(
    instance: dg.DagsterInstance, events: list[str], untouched: timedelta, is_dead: bool
) -> None:
    run = started_run(instance)
    for event in events:
        _record(instance, run, event)
    touched_at = datetime.now(UTC) - untouched
    mark = mark_of(run.run_id)
    rows = FakeExportRows(export_row("a", status="PROCESSING", log=mark, updated_at=touched_at))

    found = fail_silent_runs(instance, rows, silence(lost=86_400, dead=0))

    assert found == ([run.run_id] if is_dead else [])


@pytest.mark.parametrize(
    ("step", "silent_for", "is_dead"),
    [
        ("upload_file", 2 * HOUR, False),
        ("upload_file", 13 * HOUR, True),
        ("stream_chunks", HOUR / 2, False),
        ("stream_chunks", 2 * HOUR, True),
        ("resolve_filters", 2 * HOUR, True),
        ("serialize_chunk[00001]", 2 * HOUR, True),
    ],
)
def test_an_upload_that_touches_its_row_is_believed_for_hours_and_a_reading_is_not(
    instance: dg.DagsterInstance, step: str, silent_for: timedelta, is_dead: bool
) -> None:
    run = started_run(instance)
    began = datetime.now(UTC) - silent_for
    _record(instance, run, "STEP_START", began, step)
    touched_at = datetime.now(UTC) + HOUR  # younger than no silence at all
    mark = mark_of(run.run_id)
    rows = FakeExportRows(export_row("a", status="PROCESSING", log=mark, updated_at=touched_at))

    found = fail_silent_runs(instance, rows, silence(lost=3600, dead=0))

    assert found == ([run.run_id] if is_dead else [])


def test_touches_of_another_do_not_keep_a_silent_run_alive(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)
    _record(instance, run, "STEP_START")
    touched_at = datetime.now(UTC) + HOUR
    log = mark_of("run-of-another-dagster")
    rows = FakeExportRows(export_row("a", status="PROCESSING", log=log, updated_at=touched_at))

    assert fail_silent_runs(instance, rows, silence(lost=86_400, dead=0)) == [run.run_id]


def _record(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    event: str,
    at: datetime | None = None,
    step: str = "stream_chunks",
) -> None:
    recorded = dg.DagsterEvent(event, run.job_name, step_key=step)
    instance.report_dagster_event(recorded, run.run_id, timestamp=at.timestamp() if at else None)


def test_run_that_says_nothing_for_long_is_reported_as_failed(
    instance: dg.DagsterInstance,
) -> None:
    silent = started_run(instance)
    waiting = instance.create_run_for_job(
        batch_export_job(), status=dg.DagsterRunStatus.NOT_STARTED
    )

    rows = FakeExportRows()
    assert fail_silent_runs(instance, rows, silence(lost=3600)) == []
    assert fail_silent_runs(instance, rows, silence(lost=0)) == [silent.run_id]

    status = {run.run_id: run.status for run in instance.get_runs()}
    assert status[silent.run_id] is dg.DagsterRunStatus.FAILURE
    assert status[waiting.run_id] is dg.DagsterRunStatus.NOT_STARTED
    assert WILL_RETRY_TAG not in waiting.tags
