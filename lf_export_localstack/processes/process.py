"""Starting, watching and stopping the servers of the embedded stack, and nothing but them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil
from pydantic import BaseModel

from lf_export_localstack.processes.stack_errors import LocalStackError

POLL_SECONDS = 0.05
CLOCK_TOLERANCE_SECONDS = 2.0
LOG_LINES = 20

# The operating system keeps an ended child until its parent has asked for its exit code, and Python
# warns about a Popen that is dropped before; so they live here, whichever object started them.
_children: dict[int, subprocess.Popen[bytes]] = {}


class ServiceNotReadyError(LocalStackError):
    """A server did not become ready; the message ends with the last lines of its log."""


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
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    user: SystemUser | None = None


class ProcessRecord(BaseModel, frozen=True):
    """A process by id and birth (Unix time in seconds).

    The id alone would mean some other process as soon as the operating system uses it again.
    """

    pid: int
    started_at: float


def start(launch: Launch) -> ProcessRecord:
    """The record of a server that has been started in a session of its own.

    Its own session keeps Ctrl-C in the terminal away from it: the stack decides in which order
    servers end.

    Raises:
        OSError: the program cannot be started.
    """
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - the programs and arguments are our own
            launch.argv,
            cwd=launch.directory,
            env=dict(launch.environment),
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
    return ProcessRecord(pid=process.pid, started_at=psutil.Process(process.pid).create_time())


def is_running(record: ProcessRecord) -> bool:
    """Whether exactly this process still runs, not another one that was given its id."""
    process = _find(record)
    return process is not None and _is_alive(process)


def wait_until_ready(
    name: str,
    record: ProcessRecord,
    probe: Callable[[], object],
    *,
    log: Path,
    deadline_seconds: float,
) -> None:
    """Returns as soon as `probe` no longer raises.

    Raises:
        ServiceNotReadyError: the process has ended, or the deadline has passed.
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        try:
            probe()
        except Exception as error:  # noqa: BLE001 - every client has its own way to say "not yet"
            if not is_running(record):
                _fail(f"{name} ended while it was starting.", log, error)
            if time.monotonic() > deadline:
                _fail(f"{name} was not ready within {deadline_seconds:g} s: {error}", log, error)
            time.sleep(POLL_SECONDS)
        else:
            return


def stop(
    record: ProcessRecord, *, request: signal.Signals = signal.SIGTERM, grace_seconds: float = 10
) -> None:
    """Ends the process and everything it has started: politely first, for certain after a while.

    A process that has ended already, or whose id belongs to another process by now, is left alone.
    """
    family = _family(record)
    leader = _find(record)
    if leader is not None:
        _send(leader, request)
        _wait([leader], grace_seconds)
    for process in family:
        _send(process, signal.SIGKILL)
    _wait(family, grace_seconds)
    child = _children.get(record.pid)
    if child is not None and child.poll() is not None:
        del _children[record.pid]


def last_lines(log: Path, count: int = LOG_LINES) -> str:
    """The end of a log, indented, or a remark that there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line}" for line in lines[-count:]) or "    (the log is empty)"


def _fail(sentence: str, log: Path, cause: Exception) -> NoReturn:
    message = f"{sentence}\nThe last lines of {log}:\n{last_lines(log)}"
    raise ServiceNotReadyError(message) from cause


def _find(record: ProcessRecord) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        age_difference = abs(process.create_time() - record.started_at)
    except psutil.NoSuchProcess:
        return None
    # The birth is derived from the clock at boot, which moves a little when the clock is set.
    return process if age_difference < CLOCK_TOLERANCE_SECONDS else None


def _family(record: ProcessRecord) -> list[psutil.Process]:
    """The process, its descendants, and orphans that are left of its session.

    As long as a member of a session lives, no other process gets the id of its leader. So members
    are ours if the leader is ours, or if nobody has its id and this machine was not restarted.
    """
    leader = _find(record)
    if leader is None and (psutil.pid_exists(record.pid) or _is_before_boot(record)):
        return []
    family = {process.pid: process for process in psutil.process_iter() if _is_in(process, record)}
    if leader is not None:
        family[leader.pid] = leader
        family |= {process.pid: process for process in leader.children(recursive=True)}
    return list(family.values())


def _is_before_boot(record: ProcessRecord) -> bool:
    return bool(record.started_at < psutil.boot_time() - CLOCK_TOLERANCE_SECONDS)


def _is_in(process: psutil.Process, record: ProcessRecord) -> bool:
    try:
        return os.getsid(process.pid) == record.pid
    except (ProcessLookupError, PermissionError):
        return False


def _send(process: psutil.Process, request: signal.Signals) -> None:
    # Between looking and sending, the process may end by itself.
    if process.is_running():
        try:
            process.send_signal(request)
        except psutil.NoSuchProcess:
            return


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_is_alive(process) for process in processes):
        time.sleep(POLL_SECONDS)


def _is_alive(process: psutil.Process) -> bool:
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
