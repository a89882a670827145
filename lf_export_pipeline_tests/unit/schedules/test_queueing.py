"""What a tick queues: one row per window, whoever else ticks and whatever is killed in between."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest.mock import Mock

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import AccessRefusedError, TransientError
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.core.request.windowed_query import Window
from lf_export_pipeline.lifecycle.partitions import is_partition_key
from lf_export_pipeline.schedules.queueing import WINDOWS_PER_TICK, Queueing
from lf_export_pipeline.schedules.requests import Action, change, record_of
from lf_export_pipeline.schedules.standing import Progress
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.unit.schedules.standing_world import SLOW, StandingWorld, original

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_row_of_a_window_is_the_export_over_that_window(world: StandingWorld) -> None:
    standing = world.schedule()

    assert world.tick() == []
    (done,) = world.tick(HOUR)

    (row,) = world.queued()
    assert isinstance(row, StoredExport)
    assert row == replace(
        original(),
        id=f"{standing.id}-20310318T000000Z",
        name="Slow traces 2031-03-18",
        status="QUEUED",
        created_at=world.now,
        updated_at=world.now,
        url=None,
        query=row.query,
    )
    assert world.windows() == [Window(at("2031-03-18"), at("2031-03-19"))]
    assert SLOW in row.query["filter"]
    assert len(row.query["filter"]) == 3
    assert is_partition_key(row.id)
    assert row.id in done.line
    assert (done.rows, done.is_problem) == (1, False)


def test_a_window_is_queued_once(world: StandingWorld) -> None:
    world.schedule()

    for _ in range(5):
        world.tick(HOUR)

    assert len(world.queued()) == 1


def test_missed_windows_are_caught_up_some_at_a_tick(world: StandingWorld) -> None:
    world.schedule(cron="@hourly", window="since-last")

    assert sum(done.rows for done in world.tick(8 * HOUR)) == WINDOWS_PER_TICK
    world.tick()

    assert len(world.queued()) == 8
    assert world.windows()[0].begin == at("2031-03-19T05:00")


def test_missed_windows_are_skipped_if_that_was_asked_for(world: StandingWorld) -> None:
    world.schedule(missed="skip")

    world.tick(10 * DAY)

    assert world.windows() == [Window(at("2031-03-27"), at("2031-03-28"))]


def test_earlier_windows_are_made_from_the_instant_that_was_named(world: StandingWorld) -> None:
    world.schedule(since="2031-03-15", name="Every day")

    world.tick()

    assert [row.name for row in world.queued()] == [
        "Every day 2031-03-15", "Every day 2031-03-16", "Every day 2031-03-17"
    ]  # fmt: skip


def test_a_daemon_that_was_killed_before_it_could_note_it_queues_nothing_twice(
    world: StandingWorld,
) -> None:
    """It comes back when more ticks have passed, which are then skipped into one window."""
    standing = world.schedule(cron="@hourly", window="since-last", missed="skip")
    before = world.progress
    world.tick(HOUR)
    world.kept.record(standing.id, before)

    done = world.tick(3 * HOUR)

    assert [line.rows for line in done] == [1]
    assert world.windows() == [
        Window(at("2031-03-19T05:00"), at("2031-03-19T06:00")),
        Window(at("2031-03-19T06:00"), at("2031-03-19T09:00")),
    ]


@settings(max_examples=examples(60), deadline=None)
@given(
    missed=st.sampled_from(["catch-up", "skip"]),
    ticks=st.lists(
        st.tuples(st.sampled_from([HOUR / 4, HOUR, 5 * HOUR]), st.booleans()), max_size=12
    ),
)
def test_two_daemons_that_see_old_progress_tile_time_all_the_same(
    missed: str, ticks: list[tuple[timedelta, bool]]
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = StandingWorld(instance)
        standing = world.schedule(cron="@hourly", window="since-last", missed=missed)
        seen: list[Progress] = [world.progress]
        for later, forgets in ticks:
            if forgets:
                world.kept.record(standing.id, seen[len(seen) // 2])
            world.tick(later)
            seen.append(world.progress)

    windows = sorted(world.windows(), key=lambda window: window.begin)
    assert [one.end for one in windows[:-1]] == [one.begin for one in windows[1:]]
    assert all(one.begin < other.begin for one, other in pairwise(windows))


def test_three_failures_in_a_row_pause_it_and_say_so(world: StandingWorld) -> None:
    standing = world.schedule(cron="@hourly", window="since-last")
    for _ in range(3):
        world.tick(HOUR)
        world.end("FAILED", "The bucket was full.")

    (done,) = world.tick(HOUR)
    assert world.tick(HOUR) == []

    assert len(world.queued()) == 3
    assert done.is_problem
    assert "paused itself: its last 3 exports failed, the newest with: The bucket" in done.line
    record = record_of(standing, world.progress)
    assert record["state"] == "paused"
    assert "The bucket was full." in record["said"]
    assert world.progress.owed == ("e-mail", "webhook")


@pytest.mark.parametrize(
    "statuses",
    [
        ["FAILED", "FAILED", "COMPLETED", "FAILED"],
        ["FAILED", "FAILED", "CANCELLED", "CANCELLED"],
        ["FAILED", "FAILED", "QUEUED", "PROCESSING"],
    ],
)
def test_failures_that_are_not_in_a_row_do_not_pause_it(
    world: StandingWorld, statuses: list[str]
) -> None:
    world.schedule(cron="@hourly", window="since-last")
    for status in statuses:
        world.tick(HOUR)
        if status != "QUEUED":
            world.end(status)

    world.tick(HOUR)

    assert len(world.queued()) == len(statuses) + 1


def test_who_resumes_it_forgets_the_failures_and_goes_on_where_it_stopped(
    world: StandingWorld,
) -> None:
    standing = world.schedule(cron="@hourly", window="since-last")
    for _ in range(3):
        world.tick(HOUR)
        world.end("FAILED")
    world.tick(HOUR)

    change(world.kept, Action.RESUME, [standing.id], world.now)
    world.tick()

    windows = world.windows()
    assert len(windows) == 4
    assert windows[3].begin == windows[2].end
    assert world.progress.paused_at is None
    assert world.progress.owed == ()


def test_what_is_paused_by_hand_is_left_alone_until_it_is_resumed(world: StandingWorld) -> None:
    standing = world.schedule(cron="@hourly", window="since-last")
    change(world.kept, Action.PAUSE, [standing.id], world.now)

    assert world.tick(3 * HOUR) == []
    change(world.kept, Action.RESUME, [standing.id], world.now)
    world.tick()

    assert len(world.queued()) == 3


def test_what_is_removed_queues_nothing_more(world: StandingWorld) -> None:
    standing = world.schedule(cron="@hourly", window="since-last")
    change(world.kept, Action.REMOVE, [standing.id], world.now)

    assert world.kept.all() == []
    assert world.tick(3 * HOUR) == []


def test_an_export_that_is_gone_pauses_it(world: StandingWorld) -> None:
    world.schedule()
    del world.rows.rows["original"]

    (done,) = world.tick(HOUR)

    assert done.line.endswith("paused itself: the export 'original' is gone")


class Refusing(FakeBatchExportRepository):
    """A database that takes no new rows."""

    error: Exception = AccessRefusedError("GRANT INSERT …")

    def add(self, row: object) -> bool:  # noqa: ARG002
        raise self.error


def test_a_missing_right_is_said_at_every_tick_and_nothing_is_lost(world: StandingWorld) -> None:
    standing = world.schedule()
    allowed, refusing = world.rows, Refusing(original())
    world.rows = refusing

    for _ in range(2):
        (done,) = world.tick(HOUR)
        assert done.line == f"{standing.id}: GRANT INSERT …"
        assert done.is_problem
    assert record_of(standing, world.progress)["said"] == "GRANT INSERT …"
    world.rows = allowed
    world.tick()

    assert len(world.queued()) == 1
    assert record_of(standing, world.progress)["said"] == ""


def test_a_database_that_is_away_is_tried_again(world: StandingWorld) -> None:
    world.schedule()
    allowed, refusing = world.rows, Refusing(original())
    refusing.error = TransientError("Postgres does not answer.")
    world.rows = refusing

    (done,) = world.tick(HOUR)
    assert done.is_problem
    world.rows = allowed

    assert [one.rows for one in world.tick()] == [1]


def test_a_problem_is_forgotten_when_it_is_over_also_if_nothing_is_due(
    world: StandingWorld,
) -> None:
    standing = world.schedule()
    world.tick(HOUR)
    allowed, refusing = world.rows, Refusing(original())
    refusing.search = Mock(side_effect=refusing.error)  # type: ignore[method-assign]
    world.rows = refusing
    world.tick()
    assert record_of(standing, world.progress)["said"] == "GRANT INSERT …"
    world.rows = allowed

    assert world.tick() == []

    assert record_of(standing, world.progress)["said"] == ""


def test_a_bug_is_said_of_the_one_that_it_is_in(world: StandingWorld) -> None:
    first, second = sorted([world.schedule().id, world.schedule().id])
    add = world.rows.add

    def fail(row: StoredExport) -> bool:
        if row.id.startswith(first):
            raise TypeError("Object of type Decimal is not JSON serializable")
        return add(row)

    world.rows.add = fail  # type: ignore[method-assign, assignment]
    done = world.tick(HOUR)

    assert [(one.is_problem, one.rows) for one in done] == [(True, 0), (False, 1)]
    assert done[0].line == f"{first}: a bug or unexpected data (TypeError)"
    assert world.queued()[0].id.startswith(second)


def test_one_that_cannot_be_queued_does_not_hold_up_the_others(world: StandingWorld) -> None:
    first, second = sorted([world.schedule().id, world.schedule().id])
    (asked, _), _ = world.kept.these([first, second])
    world.kept.change(asked.model_copy(update={"export_id": "gone"}))

    done = Queueing(world.kept, world.rows, lambda: world.now + HOUR).queue_due()

    assert [(one.is_problem, one.rows) for one in done] == [(True, 0), (False, 1)]
    assert world.queued()[0].id.startswith(second)
