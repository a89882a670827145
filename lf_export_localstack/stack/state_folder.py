"""The folder of an embedded stack: made, locked and emptied, and no other program's."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lf_export_localstack.processes import state
from lf_export_localstack.processes.process import ProcessRecord
from lf_export_localstack.processes.session import SESSION_FILE
from lf_export_localstack.processes.stack_errors import ForeignFolderError

LOCK_FILE = "lock"
LOCK_FILES = {LOCK_FILE, SESSION_FILE}
FOLDERS = ("logs", "spool")


class StateFolder:
    """Where one stack keeps its data, its logs and what it remembers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()

    def load(self) -> state.StackState | None:
        """What the stack remembers; None if there never was one here.

        Raises:
            ForeignFolderError: the directory holds another program's state file.
        """
        return state.load(self.path)

    def claim(self) -> state.StackState:
        """What the stack remembers; the folder is made a stack's if it is none yet.

        Raises:
            ForeignFolderError: the directory holds another program's state file.
        """
        with self.exclusively() as remembered:
            return remembered

    def enter(self, remembered: state.StackState, session_name: str) -> None:
        """What is started from now on belongs to this session."""
        remembered.session = session_name
        state.save(self.path, remembered)

    def remember(self, remembered: state.StackState, name: str, record: ProcessRecord) -> None:
        """Notes a process, by any thread: the state can be read by others at once."""
        with self._writing:
            remembered.processes[name] = record
            state.save(self.path, remembered)

    @contextmanager
    def exclusively(self) -> Iterator[state.StackState]:
        """What the stack remembers, while no other process starts or stops it.

        Raises:
            ForeignFolderError: the directory holds another program's state file.
        """
        self.load()  # before anything is made in another's folder
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self._prepare()
        finally:
            os.close(descriptor)

    def _prepare(self) -> state.StackState:
        for name in FOLDERS:
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
        remembered = self.load()
        if remembered is None:
            remembered = state.StackState()
            state.save(self.path, remembered)
        return remembered

    def refuse_foreign(self) -> None:
        """Returns if all that is in the folder may be removed.

        Raises:
            ForeignFolderError: it holds something, but no stack was ever started in it.
        """
        is_ours = self.load() is not None
        if not is_ours and any(entry.name not in LOCK_FILES for entry in self._entries()):
            raise ForeignFolderError(
                f"{self.path} is not the folder of an embedded stack, so nothing in it is "
                "removed; name another one."
            )

    def begin_anew(self) -> state.StackState:
        """What a stack remembers that has nothing of the one before, which is cleared."""
        self.clear()
        return self._prepare()

    def clear(self) -> None:
        """Removes everything but the locks.

        The state file goes last: what an interrupt leaves is still known to be a stack's.
        """
        remembered = self.load()
        if remembered is not None and remembered.postgres_home is not None:
            shutil.rmtree(remembered.postgres_home, ignore_errors=True)
        for entry in self._entries():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name not in {state.STATE_FILE, *LOCK_FILES}:
                entry.unlink(missing_ok=True)
        (self.path / state.STATE_FILE).unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        self.clear()
        shutil.rmtree(self.path, ignore_errors=True)

    def _entries(self) -> list[Path]:
        return list(self.path.iterdir()) if self.path.is_dir() else []
