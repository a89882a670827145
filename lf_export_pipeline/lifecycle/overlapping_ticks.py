"""Ticks that overlap: Dagster gives one up after a minute, and its thread goes on nevertheless."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_one(lock: threading.Lock) -> Iterator[bool]:
    """Whether the body is the only one with this lock; if not, an earlier tick is still in it."""
    is_only = lock.acquire(blocking=False)
    try:
        yield is_only
    finally:
        if is_only:
            lock.release()
