"""Ending the processes of the embedded stack, and nothing but them."""

import shutil
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from lf_export_localstack.processes.process import ProcessRecord, find, is_alive, reap
from lf_export_localstack.processes.process_marks import descendants, marked

POLL_SECONDS = 0.05
KILL_SECONDS = 10
KILL_ATTEMPTS = 5


def stop(
    record: ProcessRecord,
    *,
    request: signal.Signals | None = None,
    grace_seconds: float | None = None,
) -> None:
    """Ends the process and everything it has started: politely first, for certain after a while.

    A process that has ended already, or whose id belongs to another process by now, is left alone.

    Args:
        record: Of the process.
        request: Instead of the signal in the record.
        grace_seconds: Instead of the time in the record.
    """
    leader = find(record)
    grace = record.stop_seconds if grace_seconds is None else grace_seconds
    family = marked(record.mark)
    if leader is not None:
        family += [leader, *descendants(leader)]
        _send(leader, request or record.stop_request)
        _wait([leader], grace)
    _kill(family)
    kill_marked(record.mark)
    _remove(record.leaves)
    reap(record)


def stop_all(records: Iterable[ProcessRecord]) -> None:
    """Ends all of them: first those that use the others, then the others, at the same time."""
    clients = [record for record in records if record.uses_others]
    servers = [record for record in records if not record.uses_others]
    for group in (clients, servers):
        with ThreadPoolExecutor(max(1, len(group))) as pool:
            list(pool.map(stop, group))


def kill_marked(prefix: str) -> None:
    """Ends every process with such a mark; one that another has started meanwhile, too."""
    for _ in range(KILL_ATTEMPTS):
        if not (processes := [each for each in marked(prefix) if is_alive(each)]):
            return
        _kill(processes)


def _remove(patterns: Iterable[str]) -> None:
    for pattern in map(Path, patterns):
        for path in pattern.parent.glob(pattern.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        _send(process, signal.SIGKILL)
    _wait(processes, KILL_SECONDS)


def _send(process: psutil.Process, request: signal.Signals) -> None:
    # Between looking and sending, the process may end by itself.
    if process.is_running():
        try:
            process.send_signal(request)
        except psutil.Error:  # another user's processes are nobody's that we have started
            return


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(is_alive(process) for process in processes):
        time.sleep(POLL_SECONDS)
