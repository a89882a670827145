"""A session: what a command starts ends with the command, whatever ends the command.

The command holds one end of a pipe, and a guardian the other. The system closes the command's end
when the command is gone: after its last line, an exception, Ctrl-C, any signal, SIGKILL. Then the
guardian, which no signal of the terminal reaches, ends everything that bears the session's mark. So
there is one way to end, and no way around it. If the guardian is killed, the command ends the rest;
if both are, the next start or ``lf-export local down`` does.

The file ``session`` is locked as long as one of the two lives, and says which command it is.
"""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from lf_export_localstack.processes.process import (
    ProcessRecord,
    find,
    is_running,
    record_of_this,
)
from lf_export_localstack.processes.running_processes import end_processes
from lf_export_localstack.processes.stack_errors import StackInUseError

SESSION_FILE = "session"
GUARDIAN = "lf_export_localstack.processes.guardian"
ROOT = Path(__file__).parents[2]
POLL_SECONDS = 0.1
ENDING_SECONDS = 90  # more than all servers may take to end in order


class Holder(BaseModel, frozen=True):
    """Whose session it is: the command's name, as its user has called it, and its process."""

    command: str
    process: ProcessRecord


def new_session() -> str:
    """The name of a session that is like no other."""
    return secrets.token_hex(8)


@contextmanager
def locked(state_dir: Path, command: str, tell: Callable[[str], None]) -> Iterator[int]:
    """The descriptor of the locked file; if an earlier command is about to end, after its end.

    Args:
        state_dir: Of the stack.
        command: What others are told of who has it.
        tell: Takes a line if there is something to wait for.

    Raises:
        StackInUseError: A command that goes on has it.
    """
    descriptor = _open(state_dir)
    try:
        is_told = False
        while not _lock(descriptor):
            if (holder := holder_of(state_dir)) and is_running(holder.process):
                raise StackInUseError(
                    f"{state_dir} is in use by {holder.command} (process "
                    f"{holder.process.pid}). `lf-export local down --state-dir {state_dir}` ends "
                    "that; or name another --state-dir."
                )
            if holder and not is_told:
                tell(f"Waiting until what {holder.command} had started has ended")
                is_told = True
            time.sleep(POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        holder = Holder(command=command, process=record_of_this())
        os.pwrite(descriptor, holder.model_dump_json().encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def guarded(state_dir: Path, prefix: str, descriptor: int) -> Iterator[None]:
    """All processes with this mark end when the context or this process does.

    Args:
        state_dir: Of the stack.
        prefix: The mark of the session.
        descriptor: Of the session's file, which stays locked until they have ended.
    """
    with (state_dir / "logs" / "guardian.log").open("ab") as log:
        guardian = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", GUARDIAN, str(state_dir), prefix],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(descriptor,),
        )
    try:
        yield
    finally:
        guardian.communicate()
        if guardian.returncode:
            end_processes(state_dir, prefix)


def is_going_on(state_dir: Path) -> bool:
    """Whether a command is at work on the stack; if one is about to end, after its end."""
    while not is_free(state_dir):
        if (holder := holder_of(state_dir)) and is_running(holder.process):
            return True
        time.sleep(POLL_SECONDS)
    return False


def is_free(state_dir: Path) -> bool:
    """Whether no command, and no guardian, is at work on the stack."""
    if not (state_dir / SESSION_FILE).exists():
        return True
    descriptor = _open(state_dir)
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def end_session(state_dir: Path) -> Holder | None:
    """Asks the command that has the session to end, waits for it, and says which it was.

    None if there is none, or if the asking process is the one. A command that does not end is
    killed; its guardian ends what it has started in both cases.
    """
    holder = holder_of(state_dir)
    if holder is None or is_free(state_dir) or holder.process.pid == os.getpid():
        return None
    process = find(holder.process)
    for request in (signal.SIGTERM, signal.SIGKILL):
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(request)
                process.resume()  # if somebody has pressed Ctrl-Z
        if _ends(state_dir, holder):
            break
    return holder if process is not None else None


def _ends(state_dir: Path, holder: Holder) -> bool:
    deadline = time.monotonic() + ENDING_SECONDS
    while is_running(holder.process) or not is_free(state_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def holder_of(state_dir: Path) -> Holder | None:
    """Who had the session last, and perhaps still has it."""
    try:
        return Holder.model_validate_json((state_dir / SESSION_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _open(state_dir: Path) -> int:
    return os.open(state_dir / SESSION_FILE, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
