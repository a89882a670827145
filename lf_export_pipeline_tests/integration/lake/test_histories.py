"""Whatever happens to rows and to those who follow them, the lake is true in the end."""

import shutil
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.integration.lake.conftest import NewWorld
from lf_export_pipeline_tests.integration.lake.histories import (
    DAYS,
    MOVED_DAYS,
    NAMES,
    VARIED,
    Daemon,
    History,
    inserts,
)
from lf_export_pipeline_tests.integration.lake.interrupted import Turns, killed_before
from lf_export_pipeline_tests.integration.lake.lake_world import LakeWorld

pytestmark = [pytest.mark.services, pytest.mark.long]

EACH = pytest.mark.parametrize("table", list(VARIED))
FEW = settings(
    max_examples=examples(24),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

changes = st.one_of(
    st.tuples(st.just("insert"), inserts),
    st.tuples(st.just("insert"), inserts),
    st.tuples(st.just("insert"), inserts),
    st.tuples(st.just("edit"), st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), st.tuples(st.sampled_from(NAMES), st.sampled_from(DAYS))),
    st.tuples(st.just("merge"), st.none()),
)
followers = st.one_of(
    st.tuples(st.just("observe"), st.none()),
    st.tuples(st.just("run"), st.none() | st.integers(0, 60)),
    st.tuples(st.just("lost"), st.integers(1, 2)),
)


@pytest.fixture
def base(new_world: NewWorld) -> LakeWorld:
    return new_world(moved_days=str(MOVED_DAYS))


def fresh(base: LakeWorld, table: str) -> History:
    """Another project; what the last example has left in the folder is gone."""
    shutil.rmtree(Path(str(base.settings.lake_path)), ignore_errors=True)
    return History(replace(base, project=f"lake/{uuid.uuid4().hex}"), table)


def change(history: History, what: str, how: Any) -> None:
    if what == "insert":
        history.insert(how)
    elif what == "edit":
        history.edit(how)
    elif what == "delete":
        history.delete(*how)
    else:
        history.merge()


def follow(daemon: Daemon, what: str, how: Any) -> None:
    if what == "observe":
        daemon.observe()
    elif what == "lost":
        daemon.run(lost=how)
    else:
        daemon.run() if how is None else daemon.run(killed_before(how))


@EACH
@FEW
@given(steps=st.lists(st.one_of(changes, changes, followers), min_size=3, max_size=14))
def test_the_lake_equals_what_final_says(
    base: LakeWorld, table: str, steps: list[tuple[str, Any]]
) -> None:
    history = fresh(base, table)
    daemon = Daemon(history)
    for what, how in steps:
        if what in ("observe", "run", "lost"):
            follow(daemon, what, how)
        else:
            change(history, what, how)
    daemon.settle()
    assert history.lake() == history.truth()
    history.merge()
    assert daemon.rewritten() == []
    daemon.observe()
    assert daemon.waiting == set()


@EACH
@FEW
@given(
    begin=st.lists(inserts, min_size=1, max_size=5),
    meanwhile=st.lists(inserts, max_size=3),
    order=st.lists(st.integers(0, 1), max_size=60),
    kill=st.none() | st.integers(0, 40),
)
def test_two_daemons_at_once_leave_a_true_lake(  # noqa: PLR0917 - drawn by name
    base: LakeWorld,
    table: str,
    begin: list[dict[str, Any]],
    meanwhile: list[dict[str, Any]],
    order: list[int],
    kill: int | None,
) -> None:
    history = fresh(base, table)
    one, other = Daemon(history), Daemon(history)
    for each in begin:
        history.insert(each)
    one.observe()
    for each in meanwhile:
        history.insert(each)
    other.observe()
    turns = Turns(order)
    dies = killed_before(kill) if kill is not None else lambda: None

    def run(daemon: Daemon, who: int) -> None:
        wait = turns.of(who)

        def before() -> None:
            wait()
            if who:
                dies()

        try:
            daemon.run(before)
        finally:
            turns.end(who)

    threads = [threading.Thread(target=run, args=pair) for pair in ((one, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.settle()
    other.settle()
    assert history.lake() == history.truth()
    assert one.rewritten() == []


@EACH
@FEW
@given(
    begin=st.lists(inserts, min_size=1, max_size=5),
    late=inserts,
    at=st.integers(0, 40),
)
def test_a_day_that_is_written_while_it_is_read_is_true_in_the_end(
    base: LakeWorld, table: str, begin: list[dict[str, Any]], late: dict[str, Any], at: int
) -> None:
    history = fresh(base, table)
    daemon = Daemon(history)
    for each in begin:
        history.insert(each)
    daemon.observe()
    left = at

    def before() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            history.insert(late)

    daemon.run(before)
    daemon.settle()
    assert history.lake() == history.truth()
    assert daemon.rewritten() == []
