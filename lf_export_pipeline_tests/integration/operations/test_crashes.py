"""Crashes of everything, and what others have left behind, each under a daemon of its own."""

import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import dagster as dg
import psutil
import pytest
import sqlalchemy as sa

from lf_export_localstack.processes import state, stopping
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.lifecycle.decision import give_up_message
from lf_export_pipeline.lifecycle.partitions import RECOVERY_TAG
from lf_export_pipeline.lifecycle.retries import ASKED_AGAIN_TAG, is_retried
from lf_export_pipeline_tests.integration.operations.conftest import SIZE
from lf_export_pipeline_tests.integration.operations.deployment import (
    Deployment,
    eventually,
    kill_tree,
)

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

SUCCESS = dg.DagsterRunStatus.SUCCESS
AWAY_SECONDS = 20
FAILURES_SEEN = "EVENT_LOG_CONSUMER_CURSOR-PIPELINE_FAILURE"  # of Dagster's daemon


@pytest.fixture(scope="module")
def isolated_stack(own_stack: LocalStack) -> LocalStack:
    """With servers of its own, since they are killed."""
    return own_stack


@contextmanager
def without_postgres(isolated_stack: LocalStack) -> Iterator[None]:
    """A time in which Postgres is dead: with it are Langfuse's rows and Dagster's records."""
    known = state.load(isolated_stack.state_dir)
    assert known
    stopping.stop(known.processes["postgres"], request=signal.SIGKILL)
    yield
    isolated_stack.up()


def leave_processing(deployment: Deployment, age: timedelta) -> str:
    """A row as Langfuse's own worker leaves it when it dies."""
    export_id = deployment.queue()
    with deployment.database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE batch_exports SET status = 'PROCESSING', updated_at = now() AT TIME ZONE "
                "'UTC' - :age WHERE id = :id"
            ),
            {"age": age, "id": export_id},
        )
    return export_id


@pytest.fixture
def after_power_cut(quiet_deployment: Deployment) -> str:
    """An export that ran when daemon, code server and run worker died together."""
    with quiet_deployment.daemon() as daemon:
        export_id = quiet_deployment.queue(hold_after=2)
        quiet_deployment.held(export_id, queries=3)
        kill_tree(daemon)
    quiet_deployment.gate.let_go(export_id)
    return export_id


def test_export_that_ran_when_everything_died_is_resumed(
    quiet_deployment: Deployment, after_power_cut: str
) -> None:
    (dead,) = quiet_deployment.runs(after_power_cut)
    assert quiet_deployment.row(after_power_cut).status == "PROCESSING"

    with quiet_deployment.daemon(LF_EXPORT_SILENT_AFTER_SECONDS="30"):
        row = quiet_deployment.ended(after_power_cut)
        run = quiet_deployment.run_in(after_power_cut, SUCCESS)

    assert row.status == "COMPLETED"
    assert run.root_run_id == dead.run_id
    assert eventually(lambda: quiet_deployment.mails(after_power_cut)) == 1


def test_export_that_runs_when_the_service_is_stopped_is_made_before_all_has_ended(
    quiet_deployment: Deployment,
) -> None:
    """As systemd stops ``deploy/systemd/lf-export-daemon.service``: it asks each process to end.

    Dagster starts a step again that is interrupted in the middle, in the same run.
    """
    with quiet_deployment.daemon() as daemon:
        export_id = quiet_deployment.queue(hold_after=2)
        run = quiet_deployment.held(export_id, queries=3)
        root = psutil.Process(daemon.pid)
        processes = [root, *root.children(recursive=True)]
        assert quiet_deployment.worker_of(run) in processes
        for process in processes:
            process.send_signal(signal.SIGTERM)
        log = quiet_deployment.home / "daemon.log"
        eventually(lambda: "Daemon threads shut down" in log.read_text("utf-8", "replace"))
        quiet_deployment.gate.let_go(export_id)
        row = quiet_deployment.ended(export_id)
        quiet_deployment.run_in(export_id, SUCCESS)

    assert (row.status, row.log) == ("COMPLETED", None)
    assert [each.run_id for each in quiet_deployment.runs(export_id)] == [run.run_id]
    assert quiet_deployment.mails(export_id) == 1


@pytest.fixture
def slowly_failed(
    quiet_deployment: Deployment, after_power_cut: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An export whose run is marked as failed only after Dagster's daemon has looked at that.

    That is what happens on a busy machine: the event and the status are two transactions.
    """
    instance = quiet_deployment.instance
    set_status = instance.run_storage.handle_run_event

    def set_late(*arguments: Any) -> None:
        before = failures_seen(instance)
        eventually(lambda: failures_seen(instance) != before)
        set_status(*arguments)

    monkeypatch.setattr(instance.run_storage, "handle_run_event", set_late)
    return after_power_cut


def failures_seen(instance: dg.DagsterInstance) -> str | None:
    """How far the daemon that retries runs has read."""
    storage = instance.daemon_cursor_storage
    return storage.get_cursor_values({FAILURES_SEEN}).get(FAILURES_SEEN)


def test_retry_that_dagster_has_forgotten_is_made(
    quiet_deployment: Deployment, slowly_failed: str
) -> None:
    (dead,) = quiet_deployment.runs(slowly_failed)

    with quiet_deployment.daemon():
        quiet_deployment.instance.report_run_failed(dead)
        (failed,) = quiet_deployment.runs(slowly_failed)
        row = quiet_deployment.ended(slowly_failed)
        run = quiet_deployment.run_in(slowly_failed, SUCCESS)

    assert (failed.status, is_retried(failed)) == (dg.DagsterRunStatus.FAILURE, True)
    assert ASKED_AGAIN_TAG in quiet_deployment.runs(slowly_failed)[-1].tags
    assert row.status == "COMPLETED"
    assert run.root_run_id == dead.run_id
    assert eventually(lambda: quiet_deployment.mails(slowly_failed)) == 1


def test_exports_that_ran_and_waited_when_postgres_died_are_made_when_it_is_back(
    quiet_deployment: Deployment, isolated_stack: LocalStack
) -> None:
    with quiet_deployment.daemon(LF_EXPORT_SILENT_AFTER_SECONDS="30"):
        running = quiet_deployment.queue(hold_after=2)
        quiet_deployment.held(running, queries=3)
        waiting = quiet_deployment.queue()

        with without_postgres(isolated_stack):
            quiet_deployment.gate.let_go(running)
            time.sleep(AWAY_SECONDS)

        ended = [quiet_deployment.ended(export_id) for export_id in (running, waiting)]
        assert [row.status for row in ended] == ["COMPLETED", "COMPLETED"]
        for row in ended:
            with urllib.request.urlopen(row.url or "", timeout=60) as answer:
                assert len(set(answer.read().splitlines())) == SIZE.traces
            assert eventually(partial(quiet_deployment.mails, row.id)) == 1


def test_row_that_another_worker_has_left_is_queued_again(quiet_deployment: Deployment) -> None:
    lost = leave_processing(quiet_deployment, age=timedelta(hours=2))
    alive = leave_processing(quiet_deployment, age=timedelta(minutes=2))

    with quiet_deployment.daemon():
        row = quiet_deployment.ended(lost)

    assert row.status == "COMPLETED"
    (run,) = quiet_deployment.runs(lost)
    assert run.tags[RECOVERY_TAG] == "1"
    assert quiet_deployment.row(alive).status == "PROCESSING"
    assert quiet_deployment.runs(alive) == []


def test_row_that_is_lost_again_and_again_is_failed(quiet_deployment: Deployment) -> None:
    export_id = leave_processing(quiet_deployment, age=timedelta(hours=2))

    with quiet_deployment.daemon(LF_EXPORT_MAX_RECOVERIES="0"):
        row = quiet_deployment.ended(export_id)

    assert (row.status, row.log) == ("FAILED", give_up_message(0))
