"""Rows whose run has ended while the database was away, of which no sensor is told again."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import GENERIC_SENTENCE
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.runs import endings
from lf_export_pipeline.runs.launching import next_requests
from lf_export_pipeline.runs.partitions import PARTITION_TAG, QUEUED_AT_TAG
from lf_export_pipeline.runs.retries import WILL_RETRY_TAG
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.fakes import FakeExportRows
from lf_export_pipeline_tests.numbers_table import export_row

JOB = batch_export_job()
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensors of ended runs have had their time."""
    monkeypatch.setattr(endings, "SETTLING", timedelta(0))


def waiting_row() -> FakeExportRows:
    return FakeExportRows(export_row("a", updated_at=LONG_AGO))


def run_of(
    instance: dg.DagsterInstance, tags: Mapping[str, str] | None = None, *, begins: bool = True
) -> dg.DagsterRun:
    asked = {PARTITION_TAG: "a", QUEUED_AT_TAG: LONG_AGO.isoformat()}
    run = instance.create_run_for_job(JOB, tags={**asked, **(tags or {})})
    if begins:
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
        instance.report_dagster_event(event, run.run_id)
    return run


def tick(instance: dg.DagsterInstance, rows: FakeExportRows) -> list[str | None]:
    requests = next_requests(instance, rows, OperatingSettings(), {})
    return [request.partition_key for request in requests]


@pytest.mark.usefixtures("settled")
def test_row_of_a_run_that_failed_unheard_is_failed(instance: dg.DagsterInstance) -> None:
    rows = waiting_row()
    instance.report_run_failed(run_of(instance))

    assert tick(instance, rows) == []

    assert (rows.rows["a"].status, rows.rows["a"].log) == ("FAILED", GENERIC_SENTENCE)


@pytest.mark.usefixtures("settled")
def test_row_of_a_run_that_was_terminated_unheard_is_cancelled(
    instance: dg.DagsterInstance,
) -> None:
    rows = waiting_row()
    instance.report_run_canceled(run_of(instance))

    assert tick(instance, rows) == []

    assert rows.rows["a"].status == "CANCELLED"


@pytest.mark.usefixtures("settled")
def test_row_of_a_run_that_could_not_begin_unheard_gets_another(
    instance: dg.DagsterInstance,
) -> None:
    rows = waiting_row()
    instance.report_run_failed(run_of(instance, begins=False))

    assert tick(instance, rows) == []
    assert tick(instance, rows) == ["a"]


def test_row_of_a_run_that_has_just_ended_is_left_to_the_sensors(
    instance: dg.DagsterInstance,
) -> None:
    rows = waiting_row()
    instance.report_run_failed(run_of(instance))

    assert tick(instance, rows) == []

    assert rows.rows["a"].status == "QUEUED"


@pytest.mark.usefixtures("settled")
def test_row_of_a_run_that_will_be_retried_is_left_to_the_retry(
    instance: dg.DagsterInstance,
) -> None:
    rows = waiting_row()
    instance.report_run_failed(run_of(instance, {WILL_RETRY_TAG: "true"}))

    assert tick(instance, rows) == []

    assert rows.rows["a"].status == "QUEUED"


@pytest.mark.usefixtures("settled")
def test_row_that_was_queued_again_gets_a_run_and_no_answer(instance: dg.DagsterInstance) -> None:
    instance.report_run_failed(run_of(instance))
    rows = FakeExportRows(export_row("a", updated_at=datetime.now(UTC)))

    assert tick(instance, rows) == ["a"]

    assert rows.rows["a"].status == "QUEUED"
