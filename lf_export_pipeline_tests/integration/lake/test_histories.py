"""Whatever happens to rows and to those who follow them, the lake is true in the end."""

import itertools
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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

FIRST, SECOND, _ = DAYS
EACH = pytest.mark.parametrize("table", list(VARIED))
HISTORIES = int(os.environ.get("LF_EXPORT_LAKE_HISTORIES", examples(24)))
"""How many each test plays for each table; there are three of both."""

FEW = settings(
    max_examples=HISTORIES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

changes = st.one_of(
    st.tuples(st.just("insert"), inserts),
    st.tuples(st.just("insert"), inserts),
    st.tuples(st.just("insert"), inserts),
    st.tuples(st.just("edit"), st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), st.integers(0, 20)),
    st.tuples(st.just("delete"), st.integers(0, 20)),
    st.tuples(st.just("merge"), st.none()),
)
followers = st.one_of(
    st.tuples(st.just("round"), st.none()),
    st.tuples(st.just("round"), st.none()),
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
        history.delete(how)
    else:
        history.merge()


def follow(daemon: Daemon, what: str, how: Any) -> None:
    if what == "observe":
        daemon.observe()
    elif what == "round":
        daemon.observe()
        daemon.run()
    elif what == "lost":
        daemon.run(lost=how)
    else:
        daemon.run() if how is None else daemon.run(killed_before(how))


@EACH
@FEW
@given(
    begin=st.lists(inserts, min_size=2, max_size=4),
    steps=st.lists(st.one_of(changes, changes, followers), min_size=3, max_size=14),
)
def test_the_lake_equals_what_final_says(
    base: LakeWorld, table: str, begin: list[dict[str, Any]], steps: list[tuple[str, Any]]
) -> None:
    history = fresh(base, table)
    daemon = Daemon(history)
    for each in begin:
        history.insert(each)
    follow(daemon, "round", None)
    for what, how in steps:
        if what in ("observe", "round", "run", "lost"):
            follow(daemon, what, how)
        else:
            change(history, what, how)
    daemon.settle()
    assert history.lake() == history.truth()
    history.merge()
    assert daemon.rewritten() == []
    daemon.observe()
    assert daemon.waiting == set()


@dataclass
class Rivals:
    """Two daemons whose calls are interleaved, while rows come in and one of them may die.

    Attributes:
        daemons: Both.
        order: Whose turn it is.
        late: The rows that come before the call of that number, of both together.
        kill: Before which of its calls the second one dies.
    """

    daemons: tuple[Daemon, Daemon]
    order: Turns
    late: dict[int, dict[str, Any]]
    kill: int | None
    calls: Iterator[int] = field(default_factory=itertools.count)

    def run(self) -> None:
        """Until both have ended."""
        threads = [threading.Thread(target=self._run, args=(who,)) for who in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self, who: int) -> None:
        wait = self.order.of(who)
        dies = killed_before(self.kill) if who and self.kill is not None else lambda: None

        def before() -> None:
            wait()
            number = next(self.calls)
            if number in self.late:
                self.daemons[who].history.insert(self.late[number])
            dies()

        try:
            self.daemons[who].run(before)
        finally:
            self.order.end(who)


stretches = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 25)), max_size=8)
"""Who makes how many calls without the other one."""


@EACH
@FEW
@given(
    begin=st.lists(inserts, min_size=1, max_size=5),
    late=st.dictionaries(st.integers(0, 60), inserts, max_size=3),
    turns=stretches,
    kill=st.none() | st.integers(0, 40),
)
def test_two_daemons_at_once_leave_a_true_lake(  # noqa: PLR0917 - drawn by name
    base: LakeWorld,
    table: str,
    begin: list[dict[str, Any]],
    late: dict[int, dict[str, Any]],
    turns: list[tuple[int, int]],
    kill: int | None,
) -> None:
    """Rows come in while both write, before the call of one of them that has this number."""
    history = fresh(base, table)
    daemons = (Daemon(history), Daemon(history))
    for each in begin:
        history.insert(each)
    for daemon in daemons:
        daemon.observe()
    rivals = Rivals(daemons, Turns([who for who, calls in turns for _ in range(calls)]), late, kill)
    rivals.run()
    for daemon in daemons:
        daemon.settle()
    assert history.lake() == history.truth()
    assert daemons[0].rewritten() == []


@dataclass
class Insertion:
    """A row that comes before the call of this number.

    Attributes:
        left: How many calls come before it.
    """

    history: History
    left: int
    row: dict[str, Any]
    is_done: bool = False

    def __call__(self) -> None:
        if self.left == 0:
            self.history.insert(self.row)
            self.is_done = True
        self.left -= 1


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
    daemon.run(Insertion(history, at, late))
    daemon.settle()
    assert history.lake() == history.truth()
    assert daemon.rewritten() == []


@EACH
def test_a_run_may_die_before_any_of_its_calls(base: LakeWorld, table: str) -> None:
    """While a row moves from one day to the next, whose objects and manifests make one whole."""
    for number in itertools.count():
        history = fresh(base, table)
        daemon = Daemon(history)
        row = {"id": "a", "day": FIRST, "version": 1, "varied": "SPAN", "is_deleted": 0}
        history.insert(row)
        follow(daemon, "round", None)
        history.insert({**row, "day": SECOND, "version": 2})
        daemon.observe()
        is_done = bool(daemon.run(killed_before(number)))
        daemon.settle()
        assert history.lake() == history.truth(), f"killed before call {number}"
        assert daemon.rewritten() == []
        if is_done:
            break
    assert number > 10  # so many calls, at least, are made for two days


DELETED = {"version": 3, "is_deleted": 1}


@EACH
@pytest.mark.parametrize(("day", "newer_day"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_a_newer_version_may_be_deleted_before_any_call_of_a_run(
    base: LakeWorld, table: str, day: str, newer_day: str
) -> None:
    """The older one counts again, on a day whose own rows have not changed."""
    row = {"id": "a", "day": day, "version": 1, "varied": "SPAN", "is_deleted": 0}
    newer = {**row, "day": newer_day, "version": 2}
    for number in itertools.count():
        history = fresh(base, table)
        daemon, before_calls = Daemon(history), Insertion(history, number, {**newer, **DELETED})
        history.insert(row)
        history.insert(newer)
        daemon.observe()
        daemon.run(before_calls)
        daemon.settle()
        if not before_calls.is_done:
            break
        assert history.lake() == history.truth(), f"deleted before call {number}"
        assert daemon.rewritten() == []
    assert number > 10  # so many calls, at least, are made for two days
