"""People who write into a project as fast as the servers take it, while it is exported.

Every row says in each of its texts which version of which row it is, so that a row that is put
together of two versions shows.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from typing import TypeVar

BEGINNING = datetime(2031, 3, 1, 12, tzinfo=UTC)
AT_ONCE = 20
PADDING = "x" * 300
QUIET, CHANGING, LEAVING = "quiet", "changing", "leaving"
SIZES = {QUIET: 1_200, CHANGING: 200, LEAVING: 900}
COMING = "coming"
DELETION = "this row is a deletion"

T = TypeVar("T")


class NobodyLeftError(Exception):
    """All rows that may be deleted are."""


@dataclass
class Busy:
    """What has been done so far.

    Attributes:
        deeds: How often each kind of thing was done.
        come: The ids of rows that are new.
        leaving: The ids of rows whose deletion was begun.
        left: Those among them that are deleted.
        changed: The newest version of each row that has changed.
    """

    deeds: Counter[str] = field(default_factory=Counter)
    come: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count(1_000_000)
        self._waiting = iter(random.sample(ids_of(LEAVING), SIZES[LEAVING]))
        self._lock = threading.Lock()

    def newcomers(self) -> list[str]:
        """Ids that nothing has had before."""
        return [f"{next(self._numbers)}-{COMING}" for _ in range(AT_ONCE)]

    @contextmanager
    def leavers(self) -> Iterator[list[str]]:
        """Ids to be deleted within the context."""
        with self._lock:
            chosen = list(islice(self._waiting, 2))
        if not chosen:
            raise NobodyLeftError
        self.leaving.update(chosen)
        yield chosen
        self.left.update(chosen)


def ids_of(group: str) -> list[str]:
    """The ids of a group, which lie between those of the others, all over the table."""
    step = len(SIZES)
    return [f"{at * step + list(SIZES).index(group):06d}-{group}" for at in range(SIZES[group])]


def version_of(text: str) -> int:
    """The version that says this; -1 for what no version says."""
    words = text.split(" ")
    return int(words[1]) if words[1].isdecimal() else -1


def text_of(row_id: str, version: int) -> str:
    """What each text of a version says."""
    return f"version {version} of {row_id} {PADDING}"


@contextmanager
def at_full_speed(
    busy: Busy, opened: Callable[[], AbstractContextManager[T]], *deeds: Callable[[T], None]
) -> Iterator[None]:
    """Each deed again and again, in a thread of its own; what goes wrong is raised at the end."""
    over = threading.Event()

    def work(deed: Callable[[T], None]) -> None:
        with opened() as own, suppress(NobodyLeftError):
            while not over.is_set():
                deed(own)
                busy.deeds[deed.__name__] += 1

    with ThreadPoolExecutor(len(deeds)) as pool:
        working = [pool.submit(work, deed) for deed in deeds]
        try:
            while len(busy.deeds) < len(deeds) and not any(each.done() for each in working):
                over.wait(0.01)
            yield
        finally:
            over.set()
    for each in working:
        each.result()


def iso(instant: datetime) -> str:
    """An instant as ClickHouse and Postgres read it from JSON."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
