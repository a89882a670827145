"""Reading in another thread, so that the next batch arrives while this one is worked on."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

_LOOK_SECONDS = 0.1
_CLOSING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _End:
    """The source has ended, or failed."""

    error: BaseException | None = None


@contextmanager
def read_ahead(
    source: Callable[[], AbstractContextManager[Iterator[Item]]],
) -> Iterator[Iterator[Item]]:
    """The items of a source, of which one is read ahead; the reading begins at once.

    The source is opened, read and closed by one thread of its own. Decompression, Arrow's kernels
    and the network let other threads run meanwhile. At most three items are in memory: the one
    being read, the one that waits and the one that is worked on.

    What the source raises is raised where its items are taken. Leaving the context early closes the
    source as soon as the item that is being read has arrived. A run that is terminated waits only a
    moment for that, since a slow query may take minutes to its next item.
    """
    reading = _Reading(source)
    thread = threading.Thread(target=reading.run, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield reading.items()
    finally:
        reading.stopped.set()
        thread.join(_CLOSING_SECONDS)


@dataclass(frozen=True, slots=True)
class _Reading(Generic[Item]):
    source: Callable[[], AbstractContextManager[Iterator[Item]]]
    waiting: "queue.Queue[Item | _End]" = field(default_factory=lambda: queue.Queue(maxsize=1))
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read everything, or up to the item after which nobody wants more."""
        error: BaseException | None = None
        try:
            with self.source() as items:
                for item in items:
                    if not self._handed_over(item):
                        return
        except BaseException as raised:  # noqa: BLE001 - it is raised where the items are taken
            error = raised
        self._handed_over(_End(error))

    def items(self) -> Iterator[Item]:
        """What has been read, in order."""
        while not isinstance(item := self.waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def _handed_over(self, item: Item | _End) -> bool:
        while not self.stopped.is_set():
            try:
                self.waiting.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
