"""A command in a terminal of its own, and the ways in which users and systems end it."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lf_export_localstack.processes import session
from lf_export_localstack.processes.process_marks import marked, new_mark
from lf_export_localstack.processes.session import GUARDIAN
from lf_export_localstack.processes.state import load

DEADLINE_SECONDS = 400
# As a terminal's shell does: the terminal becomes that of the command, which leads its session, and
# signals that are switched off where the tests run are on again.
_IN_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(request, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass
class CommandProcess:
    """A command that runs.

    Attributes:
        terminal: Our end of its terminal; None once that is closed.
        state_dir: Of its stack.
    """

    process: subprocess.Popen[bytes]
    terminal: int | None
    state_dir: Path
    output: bytes = b""

    def wait_for(self, text: str) -> None:
        """Returns once the command has printed the text."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text.encode() not in self.output:
            self._read()
            assert time.monotonic() < deadline, self.output.decode()
            assert self.process.poll() is None, self.output.decode()
            time.sleep(0.05)

    def press_ctrl_c(self) -> None:
        assert self.terminal is not None
        os.write(self.terminal, b"\x03")

    def close_terminal(self) -> None:
        assert self.terminal is not None
        os.close(self.terminal)
        self.terminal = None

    def kill_with_guardian(self) -> None:
        """As the system does that has no memory left; what it has started lives on."""
        for guardian in self.guardians():
            guardian.kill()
        self.process.kill()

    def guardians(self) -> list[psutil.Process]:
        return [child for child in self._children() if GUARDIAN in words_of(child)]

    def wait(self) -> int:
        """The exit code; what the command prints meanwhile is read, as a terminal does."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (code := self.process.poll()) is None:
            self._read()
            assert time.monotonic() < deadline, self.output.decode()
            time.sleep(0.02)
        self._read()
        return code

    def started(self) -> list[psutil.Process]:
        """All that it has started, found in three ways that know nothing of each other."""
        known = load(self.state_dir)
        assert known is not None
        found = {*self._children(), *marked(new_mark(known.stack)), *_mentioning(self.state_dir)}
        return still_running([each for each in found if each.pid != self.process.pid])

    def _children(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def _read(self) -> None:
        with suppress(BlockingIOError, OSError):
            while self.terminal is not None and (data := os.read(self.terminal, 65536)):
                self.output += data


WAYS: dict[str, Callable[[CommandProcess], None]] = {
    "ctrl-c": CommandProcess.press_ctrl_c,
    "closed terminal": CommandProcess.close_terminal,
    "SIGTERM": lambda command: command.process.send_signal(signal.SIGTERM),
    "SIGHUP": lambda command: command.process.send_signal(signal.SIGHUP),
    "SIGQUIT": lambda command: command.process.send_signal(signal.SIGQUIT),
    "SIGKILL": lambda command: command.process.kill(),
}
WAITED_FOR = {"ctrl-c", "SIGTERM", "SIGHUP"}
"""After these the command itself says when all has ended."""


@contextmanager
def running_command(state_dir: Path, *arguments: str) -> Iterator[CommandProcess]:
    """A program of Python's with these arguments, ended with all that it has started."""
    terminal, theirs = pty.openpty()
    os.set_blocking(terminal, False)
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_TERMINAL, sys.executable, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    command = CommandProcess(process, terminal, state_dir)
    try:
        yield command
    finally:
        process.kill()
        process.wait()
        if command.terminal is not None:
            os.close(command.terminal)


def wait_until_nothing_runs(processes: list[psutil.Process], state_dir: Path) -> None:
    """Returns when the command's guardian has done its work; fails when something is left."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not session.is_free(state_dir):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert still_running(processes) == []
    assert _mentioning(state_dir) == []


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended."""
    return [each for each in processes if each.is_running() and words_of(each)]


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; none of one that has ended, asked for its exit code or not."""
    with suppress(psutil.NoSuchProcess):
        words: list[str] = process.cmdline()
        return words
    return []


def _mentioning(state_dir: Path) -> list[psutil.Process]:
    """Other processes with the folder in their arguments or in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            texts = (*process.cmdline(), *process.environ().values())
            if process.pid != os.getpid() and any(str(state_dir) in text for text in texts):
                found.append(process)
    return found
