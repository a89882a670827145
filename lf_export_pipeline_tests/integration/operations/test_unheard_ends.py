"""Runs that end while Postgres is away: the sensor asks again at each tick."""

from uuid import uuid4

import dagster as dg
import pytest

from lf_export_pipeline.core.request.ownership import owner_of
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline.lifecycle.tags import queueing_tag
from lf_export_pipeline_tests.integration.operations.deployment import Deployment
from lf_export_pipeline_tests.ticks import tick

pytestmark = [pytest.mark.services, pytest.mark.long]

FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED


@pytest.fixture
def at(quiet_deployment: Deployment) -> Deployment:
    """Without a daemon no sensor is told of the end of a run."""
    return quiet_deployment


def end_unheard(at: Deployment, export_id: str, status: dg.DagsterRunStatus) -> None:
    """A run that has begun and ended, and changed nothing in its row since."""
    row = at.row(export_id)
    tags = {PARTITION_TAG: export_id, **queueing_tag(row)}
    root = owner_of(row)
    run = at.instance.create_run_for_job(batch_export_job(), tags=tags, run_id=root)
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    at.instance.report_dagster_event(started, run.run_id)
    end = at.instance.report_run_failed if status is FAILURE else at.instance.report_run_canceled
    end(run)


def begun(at: Deployment) -> list[str | None]:
    """Whose runs begin at a tick of the sensor that waits for no retry."""
    settings = at.settings.model_copy(update={"lf_export_lost_after_seconds": 0})
    result = tick(at.instance, at.database.exports, settings)
    return [request.partition_key for request in result.run_requests or ()]


@pytest.mark.parametrize(
    ("end", "status"), [(FAILURE, "FAILED"), (CANCELED, "CANCELLED")], ids=["failed", "terminated"]
)
def test_row_whose_run_ended_while_postgres_was_away_is_set_late(
    at: Deployment, end: dg.DagsterRunStatus, status: str
) -> None:
    export_id = at.queue()
    end_unheard(at, export_id, end)

    assert begun(at) == []

    assert at.row(export_id).status == status


def test_row_in_work_whose_run_was_terminated_while_postgres_was_away_is_not_queued_again(
    at: Deployment,
) -> None:
    export_id = at.queue()
    at.database.exports.start(export_id, str(uuid4()))
    end_unheard(at, export_id, CANCELED)

    assert begun(at) == []

    assert at.row(export_id).status == "CANCELLED"
