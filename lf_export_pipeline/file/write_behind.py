"""Writing in another thread, so that the next piece is made while this one is written."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

Write = Callable[[memoryview], None]

PIECES_WAITING_MAX = 1


@contextmanager
def write_behind(write: Write) -> Iterator[Write]:
    """A function that takes pieces at once and has them written, in order, by a thread of its own.

    Checksums and the kernel's copy let other threads run meanwhile. At most ``PIECES_WAITING_MAX``
    pieces wait or are being written, beside the one that is being made.

    What ``write`` raises is raised by the next call, or at the end of the context. Leaving the
    context well writes everything; leaving it early, nothing that has not been begun.
    """
    waiting: deque[Future[None]] = deque()

    def take(piece: memoryview) -> None:
        while len(waiting) >= PIECES_WAITING_MAX:
            waiting.popleft().result()
        waiting.append(thread.submit(write, piece))

    with ThreadPoolExecutor(1, "write-behind") as thread:
        try:
            yield take
            while waiting:
                waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
