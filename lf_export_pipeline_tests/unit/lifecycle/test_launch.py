"""Who is next: turns of the projects, and room in Dagster."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.launch import BACKFILL_TAG, attempts_of, fair_order, requests_for
from lf_export_pipeline.lifecycle.partitions import (
    ATTEMPT_TAG,
    PARTITION_TAG,
    PROJECT_TAG,
    RECOVERY_TAG,
)
from lf_export_pipeline.lifecycle.run_records import runs_by_export
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.ticks import tick

NOON = datetime(2021, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN_KEY_TAG = "dagster/run_key"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def row_of(project: str, minute: int) -> ExportRow:
    return export_row(
        f"{project}-{minute:04d}", project_id=project, created_at=NOON + minute * MINUTE
    )


def at_most(runs: int, starts: int = 100) -> OperatingSettings:
    return OperatingSettings(lf_export_max_runs=runs, lf_export_starts_per_tick=starts)


def names(rows: list[ExportRow]) -> list[str]:
    return [row.id for row in rows]


def asked_for(requests: list[dg.RunRequest]) -> list[str | None]:
    return [request.partition_key for request in requests]


def next_requests(
    instance: dg.DagsterInstance, rows: FakeBatchExportRepository, settings: OperatingSettings
) -> list[dg.RunRequest]:
    return list(tick(instance, rows, settings).run_requests or ())


def run_of(instance: dg.DagsterInstance, export_id: str, project: str, **tags: str) -> None:
    instance.create_run_for_job(
        batch_export_job(),
        status=dg.DagsterRunStatus.STARTED,
        tags={PARTITION_TAG: export_id, PROJECT_TAG: project, **tags},
    )


def launch(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.DagsterRun | None:
    """The run that the daemon makes of a request; None: it skips a key that a run has already."""
    tags = {RUN_KEY_TAG: request.run_key or ""}
    if instance.get_runs(dg.RunsFilter(tags=tags)):
        return None
    return instance.create_run_for_job(
        batch_export_job(),
        status=dg.DagsterRunStatus.SUCCESS,
        tags={**request.tags, **tags, PARTITION_TAG: request.partition_key or ""},
    )


def test_projects_take_turns_and_the_oldest_row_begins() -> None:
    rows = [row_of("heavy", minute) for minute in range(3)] + [row_of("light", 9)]

    assert names(fair_order(rows, {})) == ["heavy-0000", "light-0009", "heavy-0001", "heavy-0002"]


def test_project_that_runs_already_lets_the_others_go_first() -> None:
    rows = [row_of("heavy", 0), row_of("light", 9)]

    assert names(fair_order(rows, {"heavy": 1})) == ["light-0009", "heavy-0000"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), unique=True),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)),
)
def test_no_project_is_ever_two_turns_ahead_of_one_that_waits(
    asked: list[tuple[str, int]], running: dict[str, int]
) -> None:
    ordered = fair_order([row_of(project, minute) for project, minute in asked], running)

    assert sorted(names(ordered)) == sorted(names([row_of(*one) for one in asked]))
    served = Counter(running)
    for at, row in enumerate(ordered):
        waiting = {later.project_id for later in ordered[at:]}
        assert served[row.project_id] == min(served[project] for project in waiting)
        served[row.project_id] += 1


def test_lost_export_is_tagged_with_the_number_of_its_recovery() -> None:
    lost, other = requests_for([row_of("a", 0), row_of("b", 0)], {}, {"a-0000": 2})

    assert lost.tags[RECOVERY_TAG] == "2"
    assert RECOVERY_TAG not in other.tags


def test_row_behind_five_thousand_of_another_project_is_asked_for_at_once(
    instance: dg.DagsterInstance,
) -> None:
    heavy = [row_of("heavy", minute) for minute in range(5_000)]
    rows = FakeBatchExportRepository(*heavy, row_of("light", 9_000))

    requests = next_requests(instance, rows, at_most(4))

    assert asked_for(requests) == ["heavy-0000", "light-9000", "heavy-0001", "heavy-0002"]


def test_no_more_is_asked_for_than_there_is_room(instance: dg.DagsterInstance) -> None:
    rows = FakeBatchExportRepository(*(row_of("heavy", minute) for minute in range(9)))
    run_of(instance, "heavy-0000", "heavy")

    assert asked_for(next_requests(instance, rows, at_most(3))) == ["heavy-0001", "heavy-0002"]
    assert next_requests(instance, rows, at_most(1)) == []


def test_no_more_begin_at_one_look_than_the_machine_bears(instance: dg.DagsterInstance) -> None:
    rows = FakeBatchExportRepository(*(row_of("heavy", minute) for minute in range(9)))

    asked = asked_for(next_requests(instance, rows, at_most(20, starts=2)))

    assert asked == ["heavy-0000", "heavy-0001"]


@pytest.mark.parametrize(("cores", "runs"), [(1, 1), (2, 1), (3, 1), (8, 4), (None, 1)])
def test_by_default_a_run_begins_per_two_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, runs: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    assert OperatingSettings().starts_per_tick == runs


def test_backfill_takes_no_room_from_the_sensor(instance: dg.DagsterInstance) -> None:
    rows = FakeBatchExportRepository(row_of("heavy", 1), row_of("heavy", 2))
    run_of(instance, "heavy-0001", "heavy", **{BACKFILL_TAG: "b"})

    assert asked_for(next_requests(instance, rows, at_most(1))) == ["heavy-0002"]


@settings(deadline=None, max_examples=examples(30))
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6))
def test_export_that_is_queued_again_gets_a_run_whichever_runs_were_deleted(
    deleted_after: list[list[int]],
) -> None:
    row = row_of("a", 0)
    with dg.DagsterInstance.ephemeral() as instance:
        for deleted in [*deleted_after, []]:
            (request,) = next_requests(instance, FakeBatchExportRepository(row), at_most(1))

            assert launch(instance, request)
            runs = instance.get_runs()
            for at in {number % len(runs) for number in deleted}:
                instance.delete_run(runs[at].run_id)


def test_queueing_that_two_looks_see_gets_one_run(instance: dg.DagsterInstance) -> None:
    rows = FakeBatchExportRepository(row_of("a", 0))
    (once,) = next_requests(instance, rows, at_most(1))
    (twice,) = next_requests(instance, rows, at_most(1))

    assert launch(instance, once)
    assert launch(instance, twice) is None


def test_words_in_the_tag_of_an_attempt_do_not_count(instance: dg.DagsterInstance) -> None:
    run_of(instance, "a-0000", "a", **{ATTEMPT_TAG: "the third"})

    assert attempts_of(runs_by_export(instance, ["a-0000"]))["a-0000"] == 1
