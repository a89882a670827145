"""People who write into a project as fast as the servers take it, while it is exported.

Every row says in each of its texts which version of which row it is, so that a row that is put
together of two versions shows.
"""

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

BEGINNING = datetime(2030, 7, 1, 12, tzinfo=UTC)
MONTH = "203007"  # no other test has rows in it: what is merged are rows of writers only
DAYS = 13
CREATED_AT = BEGINNING + timedelta(days=DAYS + 1)
"""Of the exports; twice so many days are in the same month."""
AT_ONCE = 20
LATE_AT_ONCE = 5
CHANGES_BEFORE = 6
"""Enough for rows that have moved twice before the first export looks at them."""
LEAVING_AT_ONCE = 2
PADDING = "x" * 300
QUIET, CHANGING, LEAVING = "quiet", "changing", "leaving"
SIZES = {QUIET: 1_200, CHANGING: 200, LEAVING: 900}
COMING, LATE = "coming", "late"
FIRST, DELETION = "version 0 of", "this row is a deletion"

T = TypeVar("T")


class NobodyLeftError(Exception):
    """All rows that may be deleted are, until more have come."""


@dataclass
class Busy:
    """What has been done so far.

    Attributes:
        deeds: How often each kind of thing was done.
        come: The ids of rows that are new; they are deleted after all those that may be.
        leaving: The ids of rows whose deletion was begun.
        left: Those among them that are deleted.
        changed: The newest version of each row that has changed.
        at_scan: How often each kind of thing had been done when the keys had been read.
    """

    deeds: Counter[str] = field(default_factory=Counter)
    come: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)
    at_scan: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count(1_000_000)
        self._waiting = deque(random.sample(ids_of(LEAVING), SIZES[LEAVING]))
        self._lock = threading.Lock()
        self._has_stopped = threading.Event()

    @contextmanager
    def newcomers(self) -> Iterator[list[str]]:
        """Ids that nothing has had before, to be added within the context; some come too late."""
        new = [f"{next(self._numbers)}-{COMING}" for _ in range(AT_ONCE)]
        late = [f"{next(self._numbers)}-{LATE}" for _ in range(LATE_AT_ONCE)]
        yield [*new, *late]
        self.come.update(new)
        self._waiting.extend(new)

    @contextmanager
    def leavers(self) -> Iterator[list[str]]:
        """Ids to be deleted within the context."""
        with self._lock:
            if len(self._waiting) < LEAVING_AT_ONCE:
                raise NobodyLeftError
            chosen = [self._waiting.popleft() for _ in range(LEAVING_AT_ONCE)]
        self.leaving.update(chosen)
        yield chosen
        self.left.update(chosen)

    def idle(self) -> set[str]:
        """What nobody has done since the keys were read."""
        return {deed for deed, times in self.deeds.items() if times == self.at_scan[deed]}

    def await_everyone(self) -> None:
        """Until each has done once more what it does; a writer that fails ends the wait."""
        done = dict(self.deeds)
        while any(self.deeds[deed] == times for deed, times in done.items()):
            if self._has_stopped.wait(0.005):
                return

    def stop(self) -> None:
        """A writer has come to its end."""
        self._has_stopped.set()


def ids_of(group: str) -> list[str]:
    """The ids of a group, which lie between those of the others, all over the table."""
    step = len(SIZES)
    return [f"{at * step + list(SIZES).index(group):06d}-{group}" for at in range(SIZES[group])]


def beginning_of(row_id: str) -> datetime:
    """The instant that the times of a row begin at: those that come too late are not exported."""
    return CREATED_AT if row_id.endswith(LATE) else BEGINNING


def text_of(row_id: str, version: int) -> str:
    """What each text of a version says."""
    return f"version {version} of {row_id} {PADDING}"


@contextmanager
def at_full_speed(
    busy: Busy, opened: Callable[[], AbstractContextManager[T]], *deeds: Callable[[T], None]
) -> Iterator[None]:
    """Each deed again and again, in a thread of its own; what goes wrong is raised at the end."""
    busy.deeds.update({deed.__name__: 0 for deed in deeds})
    over = threading.Event()

    def work(deed: Callable[[T], None]) -> None:
        try:
            with opened() as own:
                while not over.is_set():
                    with suppress(NobodyLeftError):
                        deed(own)
                        busy.deeds[deed.__name__] += 1
        finally:
            busy.stop()

    with ThreadPoolExecutor(len(deeds)) as pool:
        working = [pool.submit(work, deed) for deed in deeds]
        try:
            busy.await_everyone()
            yield
        finally:
            over.set()
    for each in working:
        each.result()


def iso(instant: datetime) -> str:
    """An instant as ClickHouse and Postgres read it from JSON."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
