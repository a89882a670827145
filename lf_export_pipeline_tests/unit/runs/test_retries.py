"""Retries that Dagster has promised: when that is known, and what is done if they do not come."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.runs import retries
from lf_export_pipeline.runs.retries import (
    ASKED_AGAIN_TAG,
    RETRY_RUN_TAG,
    WILL_RETRY_TAG,
    ask_for_missed_retries,
    is_retried,
    settled_failure,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    retried = {"run_retries": {"enabled": True, "max_retries": 2}}
    with dg.DagsterInstance.ephemeral(settings=retried) as ephemeral:
        yield ephemeral


@pytest.fixture
def _without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "MISSED_AFTER", timedelta(seconds=-60))


def begun(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.create_run_for_job(batch_export_job(), status=dg.DagsterRunStatus.STARTED)


def failed(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = begun(instance)
    instance.add_run_tags(run.run_id, tags)
    instance.report_run_failed(run)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def failures_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int:
    return len(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE))


def test_run_that_failed_is_settled_with_the_tag_that_it_is_retried(
    instance: dg.DagsterInstance,
) -> None:
    run = settled_failure(instance, failed(instance).run_id)

    assert run is not None
    assert is_retried(run)


def test_run_whose_failure_is_half_put_down_is_waited_for(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(instance)
    storage: Any = instance.run_storage
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, run.job_name)
    rest: list[Callable[[], object]] = [
        lambda: storage.handle_run_event(run.run_id, event, datetime.now(UTC)),
        lambda: instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "true"}),
    ]
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _seconds: rest.pop(0)())
    monkeypatch.setattr(retries, "time", clock)

    found = settled_failure(instance, run.run_id)

    assert not rest
    assert found is not None
    assert is_retried(found)


def test_run_that_is_not_marked_as_failed_in_time_is_none(instance: dg.DagsterInstance) -> None:
    assert settled_failure(instance, begun(instance).run_id, patience_seconds=0) is None


def test_run_that_is_gone_is_none(instance: dg.DagsterInstance) -> None:
    assert settled_failure(instance, "not-there", patience_seconds=0) is None


def test_without_run_retries_a_failed_run_is_settled_at_once() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = settled_failure(instance, failed(instance).run_id)

    assert run is not None
    assert WILL_RETRY_TAG not in run.tags


@pytest.mark.usefixtures("_without_patience")
def test_missed_retry_is_asked_for_once(instance: dg.DagsterInstance) -> None:
    run = failed(instance)

    assert ask_for_missed_retries(instance, HOUR) == [run.run_id]
    assert ask_for_missed_retries(instance, HOUR) == []

    assert failures_of(instance, run) == 2


@pytest.mark.usefixtures("_without_patience")
@pytest.mark.parametrize("tag", [RETRY_RUN_TAG, ASKED_AGAIN_TAG])
def test_retry_that_was_made_or_asked_for_is_not_asked_for(
    instance: dg.DagsterInstance, tag: str
) -> None:
    run = failed(instance, **{tag: "some run"})

    assert ask_for_missed_retries(instance, HOUR) == []
    assert failures_of(instance, run) == 1


@pytest.mark.usefixtures("_without_patience")
def test_no_retry_is_asked_for_where_none_was_promised(instance: dg.DagsterInstance) -> None:
    failed(instance, **{"dagster/max_retries": "0"})
    begun(instance)

    assert ask_for_missed_retries(instance, HOUR) == []


def test_retry_that_may_still_come_is_not_asked_for(instance: dg.DagsterInstance) -> None:
    failed(instance)

    assert ask_for_missed_retries(instance, HOUR) == []


@pytest.mark.usefixtures("_without_patience")
def test_retry_of_a_run_that_is_lost_already_is_not_asked_for(
    instance: dg.DagsterInstance,
) -> None:
    failed(instance)

    assert ask_for_missed_retries(instance, timedelta(seconds=-1)) == []
