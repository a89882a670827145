"""How a command ends that has started something."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Within, SIGTERM and a terminal that is closed (SIGHUP) are what Ctrl-C is: KeyboardInterrupt.

    This is for good manners alone: the command can wait for the end of what it has started, and say
    so. That this ends does not depend on it; see ``processes.session``. A signal that the caller
    has switched off, as ``nohup`` and ``&`` in a script do, stays without effect here and is
    switched on again for what is started, which is asked to end by signals.
    """
    handlers = {request: signal.getsignal(request) for request in (*ENDING, signal.SIGINT)}
    for request, handler in handlers.items():
        if handler == signal.SIG_IGN:
            signal.signal(request, _do_nothing)
        elif request in ENDING:
            signal.signal(request, _interrupt)
    try:
        yield
    finally:
        for request, handler in handlers.items():
            signal.signal(request, handler)


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    """A handler of Python's, other than "ignore", is not inherited by programs."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
