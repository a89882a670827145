"""Waiting for something that moves: it may take long, but it may not stand still for long."""

import time


class Patience:
    """Runs out when what is observed has not changed for a while.

    A limit by the clock is wrong on every machine but the one that it was measured on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._observed: object = None
        self._since = time.monotonic()

    def is_over(self, observed: object) -> bool:
        """Whether this is what has been observed for longer than the patience lasts."""
        if observed != self._observed:
            self._observed, self._since = observed, time.monotonic()
        return time.monotonic() - self._since > self.seconds
