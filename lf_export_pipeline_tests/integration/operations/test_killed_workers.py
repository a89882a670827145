"""Run workers that die, under the real daemon."""

import urllib.request

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE
from lf_export_pipeline_tests.integration.operations.conftest import SIZE
from lf_export_pipeline_tests.integration.operations.deployment import (
    Deployment,
    eventually,
    kill,
)

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


def test_export_whose_worker_was_killed_goes_on_with_the_chunk_that_was_missing(
    deployment: Deployment,
) -> None:
    undisturbed = deployment.queue()
    assert deployment.ended(undisturbed).status == "COMPLETED"
    needed = deployment.gate.count(undisturbed, "serialize_chunk")
    export_id = deployment.queue(hold_after=needed // 2)
    first = deployment.held(export_id, queries=needed // 2 + 1)
    kill(deployment.worker_of(first))
    deployment.gate.let_go(export_id)

    row = deployment.ended(export_id)

    assert (row.status, row.log) == ("COMPLETED", None)
    with urllib.request.urlopen(row.url or "", timeout=60) as answer:
        assert len(answer.read().splitlines()) == SIZE.traces
    retry = deployment.run_in(export_id, SUCCESS)
    assert retry.root_run_id == first.run_id
    assert eventually(lambda: deployment.mails(export_id)) == 1
    asked = [query for query in deployment.gate.asked if query.export_id == export_id]
    of_retry = [query.op for query in asked if query.run_id == retry.run_id]
    written, planned = deployment.chunks(first)
    assert 0 < written < planned - 1
    assert set(of_retry) <= {"serialize_chunk", "upload_file"}
    # What is fetched once for all chunks is fetched once more; no finished chunk is read again.
    assert planned - written <= len(of_retry) <= needed - written


def test_export_whose_worker_is_killed_every_time_is_failed_with_a_sentence(
    deployment: Deployment,
) -> None:
    before = deployment.object_keys()
    export_id = deployment.queue(hold_after=1)
    killed = set[str]()
    for _ in range(3):
        run = eventually(
            lambda: next(
                (
                    query.run_id
                    for query in deployment.gate.held(export_id)
                    if query.run_id not in killed
                ),
                None,
            )
        )
        record = deployment.instance.get_run_by_id(run)
        assert record is not None
        kill(deployment.worker_of(record))
        killed.add(run)

    row = deployment.ended(export_id)

    assert (row.status, row.log, row.url) == ("FAILED", GENERIC_USER_MESSAGE, None)
    assert [run.status for run in deployment.runs(export_id)] == [FAILURE] * 3
    assert deployment.object_keys() == before
    assert deployment.mails(export_id) == 0
