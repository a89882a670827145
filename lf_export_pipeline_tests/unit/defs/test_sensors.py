"""Which runs the sensor asks for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.decision import BAD_ID_MESSAGE
from lf_export_pipeline.lifecycle.launch import attempts_of, requests_for
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, PARTITIONS_NAME, QUEUED_AT_TAG
from lf_export_pipeline.lifecycle.run_records import JOB_NAME, runs_by_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.ticks import tick
from lf_export_pipeline_tests.world import ENVIRONMENT

NOON = datetime(2021, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def evaluate(
    instance: dg.DagsterInstance,
    rows: FakeBatchExportRepository,
    cursor: str | None = None,
    **environment: str,
) -> dg.SensorResult:
    settings = Settings.load(ENVIRONMENT | environment)
    return tick(instance, rows, settings, cursor=cursor)


def asked_for(result: dg.SensorResult) -> list[str | None]:
    return [request.partition_key for request in result.run_requests or ()]


def record_run(
    instance: dg.DagsterInstance, export_id: str, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """A run that was asked for a queueing at noon."""
    tags = {PARTITION_TAG: export_id, QUEUED_AT_TAG: NOON.isoformat()}
    return instance.create_run_for_job(batch_export_job(), status=status, tags=tags)


def test_each_waiting_row_gets_one_request_in_order() -> None:
    requests = requests_for([export_row("b"), export_row("a")], {})

    assert [request.partition_key for request in requests] == ["b", "a"]
    assert [request.run_key for request in requests] == ["b:1", "a:1"]


def test_request_is_tagged_with_who_asked_for_what_and_the_attempt() -> None:
    row = export_row("a", format="JSONL", updated_at=NOON)
    (request,) = requests_for([row], {"a": 2})

    assert request.tags == {
        "dagster/partition": "a",
        "dagster/partition_set": "batch_export_partition_set",
        "lf_export/name": "My numbers",
        "lf_export/user": "u-alice",
        "lf_export/project": "project-1",
        "lf_export/table": "numbers",
        "lf_export/format": "JSONL",
        "lf_export/queued_at": "2021-03-01T12:00:00+00:00",
        "lf_export/attempt": "3",
    }


@pytest.mark.parametrize("query", [None, "text", ["list"], {}, {"tableName": 7}])
def test_whatever_a_row_holds_it_gets_its_run(query: object) -> None:
    (request,) = requests_for([export_row("a", query=query, project_id="")], {})

    assert all(request.tags.values())


def test_sensor_adds_the_partition_and_asks_for_the_run(instance: dg.DagsterInstance) -> None:
    result = evaluate(instance, FakeBatchExportRepository(export_row("a")))

    (request,) = result.run_requests or ()
    assert request.run_key == "a:1"
    assert request.has_resolved_partition()  # else Dagster looks all of it up again, in the tick
    (partitions,) = result.dynamic_partitions_requests or ()
    assert partitions.partition_keys == ["a"]


def test_sensor_skips_when_nothing_waits(instance: dg.DagsterInstance) -> None:
    rows = FakeBatchExportRepository(export_row("a", status="COMPLETED"))

    result = evaluate(instance, rows)

    assert result.skip_reason
    assert not result.run_requests


@pytest.mark.parametrize("export_id", ["a,b", "a...b", "a\nb"])
def test_id_that_no_partition_can_have_fails_with_a_sentence(
    export_id: str, instance: dg.DagsterInstance
) -> None:
    rows = FakeBatchExportRepository(export_row(export_id))

    evaluate(instance, rows)

    assert (rows.rows[export_id].status, rows.rows[export_id].log) == ("FAILED", BAD_ID_MESSAGE)


def test_attempts_are_counted_from_the_records_of_runs(instance: dg.DagsterInstance) -> None:
    record_run(instance, "a", dg.DagsterRunStatus.FAILURE)
    record_run(instance, "a", dg.DagsterRunStatus.STARTED)
    record_run(instance, "b", dg.DagsterRunStatus.FAILURE)

    assert attempts_of(runs_by_export(instance, ["a", "b", "c"])) == {"a": 2, "b": 1}


def test_export_that_is_queued_again_gets_the_next_attempt(instance: dg.DagsterInstance) -> None:
    record_run(instance, "a", dg.DagsterRunStatus.FAILURE)
    row = export_row("a", updated_at=NOON + MINUTE)

    (request,) = evaluate(instance, FakeBatchExportRepository(row)).run_requests or ()

    assert request.run_key == "a:2"


def test_a_request_of_the_sensor_makes_a_run_of_the_job(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["a"])
    (request,) = requests_for([export_row("a")], {})

    run = instance.create_run_for_job(batch_export_job(), tags={**request.tags, PARTITION_TAG: "a"})

    assert run.job_name == JOB_NAME
    assert attempts_of(runs_by_export(instance, ["a"])) == {"a": 1}
