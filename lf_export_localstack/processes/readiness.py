"""Waiting until a server answers."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil

from lf_export_localstack.processes.patience import Patience
from lf_export_localstack.processes.process import ProcessRecord, find, is_running
from lf_export_localstack.processes.process_marks import descendants
from lf_export_localstack.processes.stack_errors import LocalStackError

POLL_SECONDS = 0.05
LOG_LINES = 20
BUSY_SHARE = 0.05  # of a core: less is what a server uses that only waits


class ServiceNotReadyError(LocalStackError):
    """A server did not become ready; the message ends with the last lines of its log."""


def wait_until_ready(
    name: str,
    record: ProcessRecord,
    probe: Callable[[], object],
    *,
    log: Path,
    patience_seconds: float,
) -> None:
    """Returns as soon as `probe` no longer raises.

    Raises:
        ServiceNotReadyError: the process has ended, or for so many seconds it has neither written
            to its log nor been busy.
    """
    patience = Patience(patience_seconds)
    while True:
        try:
            probe()
        except Exception as error:  # noqa: BLE001 - every client has its own way to say "not yet"
            if not is_running(record):
                _fail(f"{name} ended while it was starting.", log, error)
            if patience.is_over(_movement(record, log, patience_seconds * BUSY_SHARE)):
                stands = f"and nothing has moved for {patience_seconds:g} s"
                _fail(f"{name} does not answer, {stands}: {error}", log, error)
            time.sleep(POLL_SECONDS)
        else:
            return


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


def _movement(record: ProcessRecord, log: Path, busy_seconds: float) -> tuple[int, int]:
    """Changes when the server writes to its log or computes for so many seconds."""
    leader = find(record)
    seconds = 0.0
    for process in [leader, *descendants(leader)] if leader else []:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        seconds += times.user + times.system
    return (log.stat().st_size if log.exists() else 0), int(seconds / busy_seconds)
