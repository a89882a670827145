"""Limits that hold over all runs, whoever has asked for them, under the real daemon."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from lf_export_localstack.processes.dagster_processes import WORKSPACE
from lf_export_pipeline.defs.ops.attempts import CLICKHOUSE_POOL
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME, PROJECT_TAG, TABLE_TAG
from lf_export_pipeline_tests.integration.operations.deployment import (
    PROJECTS,
    Deployment,
    eventually,
)

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

HEAVY, LIGHT = PROJECTS
JOB = (*WORKSPACE, "-l", "lf_export_pipeline", "-j", "batch_export")


@pytest.fixture
def pool_of_one(deployment: Deployment) -> Iterator[dg.DagsterInstance]:
    """One step may read at a time, as an operator sets it in the UI."""
    storage = deployment.instance.event_log_storage
    storage.set_concurrency_slots(CLICKHOUSE_POOL, 1)
    yield deployment.instance
    storage.delete_concurrency_limit(CLICKHOUSE_POOL)


def test_steps_of_two_runs_read_in_turn_when_the_pool_has_one_place(
    deployment: Deployment, pool_of_one: dg.DagsterInstance
) -> None:
    first = deployment.queue(HEAVY, hold_after=0)
    deployment.held(first, queries=1)
    second = deployment.queue(LIGHT)

    pool = pool_of_one.event_log_storage
    eventually(lambda: pool.get_concurrency_info(CLICKHOUSE_POOL).pending_step_count)
    assert deployment.runs(second)[0].status is dg.DagsterRunStatus.STARTED
    assert deployment.gate.count(second, "stream_chunks") == 0

    deployment.gate.let_go(first)
    assert [deployment.ended(one).status for one in (first, second)] == ["COMPLETED"] * 2


def backfill(deployment: Deployment, export_id: str) -> None:
    """What *Launch backfill* does, from a shell."""
    deployment.instance.add_dynamic_partitions(PARTITIONS_NAME, [export_id])
    program = str(Path(sys.executable).with_name("dagster"))
    done = subprocess.run(
        [program, "job", "backfill", *JOB, "--partitions", export_id, "--noprompt"],
        env=dict(deployment.environment),
        cwd=deployment.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]


def test_backfilled_run_waits_while_its_project_has_two(deployment: Deployment) -> None:
    failed = deployment.queue(HEAVY)
    deployment.database.exports.fail(failed, "The disk was not there.", datetime.now(UTC))
    running = [deployment.queue(HEAVY, hold_after=0) for _ in range(2)]
    for export_id in running:
        deployment.held(export_id, queries=1)

    backfill(deployment, failed)

    run = deployment.run_in(failed, dg.DagsterRunStatus.QUEUED)
    assert (run.tags[PROJECT_TAG], run.tags[TABLE_TAG]) == (HEAVY, "traces")
    light = deployment.queue(LIGHT)
    assert deployment.ended(light).status == "COMPLETED"
    assert deployment.runs(failed)[0].status is dg.DagsterRunStatus.QUEUED

    deployment.gate.let_go(*running)
    eventually(lambda: deployment.row(failed).status == "COMPLETED")
