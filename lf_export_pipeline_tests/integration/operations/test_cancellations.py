"""Exports that nobody wants any more, under the real daemon."""

import dagster as dg
import pytest

from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.lifecycle.run_records import IN_FLIGHT
from lf_export_pipeline_tests.integration.operations.deployment import (
    PROJECTS,
    Deployment,
    eventually,
)

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

HEAVY, LIGHT = PROJECTS
CANCELED, QUEUED = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.QUEUED
ENDED = (CANCELED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)


def spool_is_clean(deployment: Deployment, export_id: str) -> bool:
    return export_folder(export_id) not in deployment.spool.folders()


def test_terminated_run_cancels_its_export_and_leaves_nothing(deployment: Deployment) -> None:
    before = deployment.object_keys()
    export_id = deployment.queue(hold_after=2)
    run = deployment.held(export_id, queries=3)

    deployment.instance.run_coordinator.cancel_run(run.run_id)

    assert deployment.ended(export_id).status == "CANCELLED"
    deployment.run_in(export_id, CANCELED)
    eventually(lambda: spool_is_clean(deployment, export_id))
    assert deployment.object_keys() == before
    assert deployment.mails(export_id) == 0


def test_export_that_is_queued_again_after_a_termination_is_made(deployment: Deployment) -> None:
    export_id = deployment.queue(hold_after=2)
    run = deployment.held(export_id, queries=3)
    deployment.instance.run_coordinator.cancel_run(run.run_id)
    assert deployment.ended(export_id).status == "CANCELLED"
    deployment.gate.let_go(export_id)

    deployment.database.exports.requeue(export_id)

    assert deployment.ended(export_id).status == "COMPLETED"
    assert len(deployment.runs(export_id)) == 2
    assert eventually(lambda: deployment.mails(export_id)) == 1


def test_export_that_is_cancelled_in_langfuse_while_it_runs_is_not_published(
    deployment: Deployment,
) -> None:
    before = deployment.object_keys()
    export_id = deployment.queue(hold_after=2)
    deployment.held(export_id, queries=3)

    deployment.database.exports.cancel(export_id)

    run = deployment.run_in(export_id, *ENDED)
    assert run.status is CANCELED
    written, planned = deployment.chunks(run)
    assert written < planned - 1
    assert deployment.row(export_id).status == "CANCELLED"
    eventually(lambda: spool_is_clean(deployment, export_id))
    assert deployment.object_keys() == before
    assert deployment.mails(export_id) == 0


def test_two_exports_of_a_project_run_at_once_and_those_that_wait_can_be_stopped(
    deployment: Deployment,
) -> None:
    running = [deployment.queue(HEAVY, hold_after=0) for _ in range(2)]
    for export_id in running:
        deployment.held(export_id, queries=1)
    terminated, cancelled, patient = (deployment.queue(HEAVY) for _ in range(3))
    light = deployment.queue(LIGHT)

    assert deployment.ended(light).status == "COMPLETED"
    waiting = [deployment.run_in(one, QUEUED) for one in (terminated, cancelled, patient)]
    deployment.instance.run_coordinator.cancel_run(waiting[0].run_id)
    deployment.database.exports.cancel(cancelled)

    assert deployment.ended(terminated).status == "CANCELLED"
    assert deployment.run_in(cancelled, CANCELED)
    assert deployment.row(patient).status == "QUEUED"
    deployment.gate.let_go(*running)
    for export_id in (*running, patient):
        assert deployment.ended(export_id).status == "COMPLETED"
    assert deployment.row(terminated).status == "CANCELLED"
    assert len(deployment.runs(terminated)) == 1
    eventually(lambda: all(run.status not in IN_FLIGHT for run in deployment.runs(patient)))
