"""Starting the processes of the embedded stack, and telling them from all others."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import BaseModel

from lf_export_localstack.processes.process_marks import VARIABLE, mark_of, new_mark

CLOCK_TOLERANCE_SECONDS = 2.0
_SHOWN_SECONDS = 5.0

# The operating system keeps an ended child until its parent has asked for its exit code, and Python
# warns about a Popen that is dropped before; so they live here, whichever object started them.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The operating system's user that a server runs as, when it is not the one who started it."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything it takes to start one server.

    Attributes:
        argv: the program and its arguments; never a secret, other users can read them.
        environment: the whole environment of the server; nothing else is inherited.
        directory: its working directory.
        log: where its output is appended.
        user: the user to run as; None for the user that runs this process.
        stop_request: the signal it takes as "finish quickly, but in order".
        stop_seconds: how long it may take for that.
        leaves: patterns of files and folders that it leaves elsewhere; removed when it has ended.
        uses_others: whether it is a client of the other servers, and so has to end before them.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    user: SystemUser | None = None
    stop_request: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    leaves: tuple[str, ...] = ()
    uses_others: bool = False


class ProcessRecord(BaseModel, frozen=True):
    """A process by id and birth (Unix time in seconds), and how it is stopped.

    The id alone would mean some other process as soon as the operating system uses it again.

    Attributes:
        mark: what it and all that it starts bear in their environment; see ``marks``.
    """

    pid: int
    started_at: float
    mark: str = ""
    stop_request: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    leaves: tuple[str, ...] = ()
    uses_others: bool = False


def start(launch: Launch, mark: str | None = None) -> ProcessRecord:
    """The record of a server that has been started in a session of its own, once it can be found.

    Its own session keeps Ctrl-C in the terminal away from it: the stack decides in which order
    servers end.

    Args:
        launch: What is started, and how.
        mark: No other process may bear it that is not to end with this one; None makes a new one.

    Raises:
        OSError: the program cannot be started.
    """
    mark = mark or new_mark()
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - the programs and arguments are our own
            launch.argv,
            cwd=launch.directory,
            env={**launch.environment, VARIABLE: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=launch.user.uid if launch.user else None,
            group=launch.user.gid if launch.user else None,
            extra_groups=() if launch.user else None,
        )
    finally:
        os.close(log)
    _children[process.pid] = process
    _wait_until_marked(process)
    return ProcessRecord(
        pid=process.pid,
        started_at=psutil.Process(process.pid).create_time(),
        mark=mark,
        stop_request=launch.stop_request,
        stop_seconds=launch.stop_seconds,
        leaves=launch.leaves,
        uses_others=launch.uses_others,
    )


def _wait_until_marked(process: subprocess.Popen[bytes]) -> None:
    """Returns when others can see the environment of a process that has begun, or it has ended.

    A program runs a moment before the operating system shows its environment: who looks for marks
    in that moment would leave it running.
    """
    until = time.monotonic() + _SHOWN_SECONDS
    while process.poll() is None and not mark_of(psutil.Process(process.pid)):
        if time.monotonic() > until:
            return
        time.sleep(0.001)


def record_of_this() -> ProcessRecord:
    """The process that asks, as another one may find it."""
    return ProcessRecord(pid=os.getpid(), started_at=psutil.Process().create_time())


def is_running(record: ProcessRecord) -> bool:
    """Whether exactly this process still runs, not another one that was given its id."""
    process = find(record)
    return process is not None and is_alive(process)


def find(record: ProcessRecord) -> psutil.Process | None:
    """The process of the record; None if it is gone and its id perhaps another's."""
    try:
        process = psutil.Process(record.pid)
        age_difference = abs(process.create_time() - record.started_at)
    except psutil.NoSuchProcess:
        return None
    # The birth is derived from the clock at boot, which moves a little when the clock is set.
    return process if age_difference < CLOCK_TOLERANCE_SECONDS else None


def is_alive(process: psutil.Process) -> bool:
    """Whether any thread of the process still runs: until then it keeps its files and ports.

    The system calls a process a zombie as soon as its first thread has ended.
    """
    if child := _children.get(process.pid):
        return child.poll() is None
    try:
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        return bool(process.is_running() and not (is_zombie and process.num_threads() == 1))
    except psutil.NoSuchProcess:
        return False


def reap(record: ProcessRecord) -> None:
    """Asks an ended child of this process for its exit code, so that nothing is left of it."""
    child = _children.get(record.pid)
    if child is not None and child.poll() is not None:
        del _children[record.pid]
