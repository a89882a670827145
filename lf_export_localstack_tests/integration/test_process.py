import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lf_export_localstack.processes import process, readiness, stopping
from lf_export_localstack.processes.process import Launch, ProcessRecord
from lf_export_localstack.processes.process_marks import mark_of
from lf_export_localstack.processes.readiness import ServiceNotReadyError

START_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def _start(code: str, log: Path) -> ProcessRecord:
    argv = (sys.executable, "-c", code)
    return process.start(
        Launch(argv=argv, environment=dict(os.environ), directory=log.parent, log=log)
    )


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


def _printed_pid(log: Path) -> int:
    _wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    return int(log.read_text())


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_server_that_was_started_is_found_at_once(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is shown a moment later: once in a hundred times that can be seen."""
    shown = psutil.Process.environ
    answers: list[dict[str, str]] = [{}, {}]
    monkeypatch.setattr(
        *(psutil.Process, "environ"), lambda self: answers.pop() if answers else shown(self)
    )

    record = _start("import time; time.sleep(60)", log)

    assert mark_of(psutil.Process(record.pid)) == record.mark
    stopping.stop(record)


def test_a_server_that_ends_at_once_is_not_waited_for(log: Path) -> None:
    record = _start("", log)

    _wait_for(lambda: not process.is_running(record))


def test_stopping_a_server_ends_its_children_too(log: Path) -> None:
    record = _start(f"{START_CHILD}\ntime.sleep(60)", log)
    child = _printed_pid(log)

    stopping.stop(record)

    assert not process.is_running(record)
    assert not _is_alive(child)


def test_children_of_a_server_that_has_crashed_are_ended(log: Path) -> None:
    record = _start(START_CHILD, log)
    child = _printed_pid(log)
    _wait_for(lambda: not process.is_running(record))
    assert _is_alive(child)

    stopping.stop(record)

    assert not _is_alive(child)


def test_a_server_that_ignores_the_request_is_killed(log: Path) -> None:
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    record = _start(f"{ignore}\nprint(1, flush=True)\ntime.sleep(60)", log)
    _printed_pid(log)

    stopping.stop(record, grace_seconds=0.1)

    assert not process.is_running(record)


def test_a_server_may_choose_the_signal_it_stops_at(log: Path) -> None:
    obey = (
        "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(print('bye')))"
    )
    record = _start(f"{obey}\nprint(1, flush=True)\ntime.sleep(60)", log)
    _printed_pid(log)

    stopping.stop(record, request=signal.SIGINT)

    assert "bye" in log.read_text()


def test_another_process_with_the_same_id_is_left_alone(log: Path) -> None:
    bystander = _start("import time; time.sleep(60)", log)
    stale = ProcessRecord(pid=bystander.pid, started_at=bystander.started_at - 3600)

    assert not process.is_running(stale)
    stopping.stop(stale)

    assert process.is_running(bystander)
    stopping.stop(bystander)


def test_what_a_server_leaves_elsewhere_is_removed_with_it_and_nothing_else(tmp_path: Path) -> None:
    for name in ("weed-15000.sock", "weed-15001.sock", "scratch/inner/file", "scratched"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    record = process.start(
        Launch(
            argv=(sys.executable, "-c", "import time; time.sleep(60)"),
            environment=dict(os.environ),
            directory=tmp_path,
            log=tmp_path / "log",
            leaves=(str(tmp_path / "weed-*0.sock"), str(tmp_path / "scratch")),
        )
    )

    stopping.stop(record)

    assert {path.name for path in tmp_path.iterdir()} == {"weed-15001.sock", "scratched", "log"}


def test_stopping_what_has_ended_does_nothing(log: Path) -> None:
    record = _start("", log)
    _wait_for(lambda: not process.is_running(record))

    stopping.stop(record)
    stopping.stop(record)


def _never_ready() -> None:
    message = "connection refused"
    raise ConnectionError(message)


def test_a_server_that_ends_while_starting_is_reported_with_its_last_log_lines(log: Path) -> None:
    record = _start("print('one\\ntwo', flush=True); raise SystemExit('port in use')", log)

    with pytest.raises(ServiceNotReadyError) as caught:
        readiness.wait_until_ready("demo", record, _never_ready, log=log, patience_seconds=30)

    assert "demo ended while it was starting" in str(caught.value)
    assert str(caught.value).endswith("    port in use")
    stopping.stop(record)


def test_a_server_that_is_not_ready_in_time_is_reported_with_the_reason_and_its_log(
    log: Path,
) -> None:
    record = _start("import time; print('loading', flush=True); time.sleep(60)", log)
    _wait_for(log.read_text)

    with pytest.raises(ServiceNotReadyError) as caught:
        readiness.wait_until_ready("demo", record, _never_ready, log=log, patience_seconds=0.1)

    assert "demo does not answer, and nothing has moved for 0.1 s: connection refused" in str(
        caught.value
    )
    assert str(caught.value).endswith("    loading")
    stopping.stop(record)


def test_only_the_end_of_a_long_log_is_shown(log: Path) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(1000)))

    assert readiness.last_lines(log, 2) == "    line 998\n    line 999"


def test_an_absent_log_is_said_to_be_empty(log: Path) -> None:
    assert readiness.last_lines(log) == "    (the log is empty)"


END_FIRST_THREAD = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print(1, flush=True)
ctypes.CDLL(None).syscall(60, 0)  # exit of this thread alone
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of the call is x86_64's")
def test_a_server_runs_as_long_as_one_of_its_threads_does(log: Path) -> None:
    record = _start(END_FIRST_THREAD, log)
    _wait_for(lambda: psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE)

    assert process.is_running(record)
    # The same for who did not start it and cannot ask for its exit code.
    child = process._children.pop(record.pid)
    assert process.is_running(record)
    process._children[record.pid] = child

    stopping.stop(record, grace_seconds=0.1)

    assert not psutil.pid_exists(record.pid)
