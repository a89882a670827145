"""Whatever ends a command, nothing that it has started stays behind, and nothing else ends."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from lf_export_localstack.processes import session
from lf_export_localstack.processes.process import Launch, ProcessRecord, is_running, start
from lf_export_localstack.processes.session import SESSION_FILE, Holder
from lf_export_localstack.processes.stack_errors import StackInUseError
from lf_export_localstack.processes.stopping import stop
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_localstack_tests.integration.command_process import (
    WAITED_FOR,
    WAYS,
    CommandProcess,
    running_command,
    still_running,
    wait_until_nothing_runs,
    words_of,
)
from lf_export_pipeline.cli.main import main

# A process that obeys no signal but SIGKILL, whose child is in a session of its own, and whose
# grandchild has lost its parent: no list of children and no process group leads to all of them.
STUBBORN = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1)], start_new_session=True)
if depth != 1:
    time.sleep(600)
"""
COMMAND = """
import os, sys, time
from pathlib import Path
from lf_export_localstack.cli.ending import signals_as_interrupts
from lf_export_localstack.processes.process import Launch
from lf_export_localstack.stack.local_stack import LocalStack
folder, stubborn = Path(sys.argv[1]), sys.argv[2]
stack = LocalStack(folder, tell=print)
launch = Launch((sys.executable, stubborn, "2"), os.environ, folder, folder / "log", stop_seconds=0)
with signals_as_interrupts(), stack.session("lf-export dev"), stack.running("tree", launch):
    print("It runs.", flush=True)
    time.sleep(600)
"""
IN_SHORT_FORM = {"ctrl-c", "SIGKILL"}
WAYS_BY_LENGTH = [
    way if way in IN_SHORT_FORM else pytest.param(way, marks=pytest.mark.long) for way in WAYS
]
TREE = ["0", "2"]
"""The depths of those processes that stay of the three, and are to end."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    (tmp_path / "command.py").write_text(COMMAND)
    return tmp_path / "state"


@pytest.fixture
def command(folder: Path) -> Iterator[CommandProcess]:
    arguments = (folder.parent / "command.py", folder, folder.parent / "stubborn.py")
    with running_command(folder, *map(str, arguments)) as running:
        running.wait_for("It runs.")
        while tree_of(running) != TREE:
            running.wait_for("It runs.")
        yield running
    LocalStack(folder).down()


def tree_of(command: CommandProcess) -> list[str]:
    found: list[str] = []
    for process in still_running(command.started()):
        words = words_of(process)
        found += words[2:] if "stubborn.py" in " ".join(words[:2]) else []
    return sorted(found)


@pytest.mark.parametrize("way", WAYS_BY_LENGTH)
def test_whatever_ends_a_command_ends_all_that_it_has_started(
    way: str, command: CommandProcess, folder: Path
) -> None:
    started = command.started()

    WAYS[way](command)
    command.wait()

    if way in WAITED_FOR:
        assert still_running(started) == []
    wait_until_nothing_runs(started, folder)


def test_the_command_ends_what_it_has_started_if_the_guardian_was_killed(
    command: CommandProcess, folder: Path
) -> None:
    started = command.started()
    (guardian,) = command.guardians()

    guardian.kill()
    command.press_ctrl_c()
    command.wait()

    wait_until_nothing_runs(started, folder)


def test_the_next_start_ends_what_one_has_left_that_was_killed_with_its_guardian(
    command: CommandProcess, folder: Path
) -> None:
    started = [each for each in command.started() if each not in command.guardians()]
    news: list[str] = []
    command.kill_with_guardian()
    command.wait()
    assert still_running(started) == started

    with LocalStack(folder, tell=news.append).session("demo"):
        assert still_running(started) == []

    # A line before may say that it waits: a killed guardian holds the lock until it is gone.
    assert "Ended what an earlier command had left: tree" in news[-1]


def test_down_ends_what_one_has_left_that_was_killed_with_its_guardian_and_says_so(
    command: CommandProcess, folder: Path
) -> None:
    started = command.started()
    command.kill_with_guardian()
    command.wait()

    result = CliRunner().invoke(main, ["local", "down", "--state-dir", str(folder)])

    assert "Ended: tree" in result.output
    assert "processes)" in result.output
    wait_until_nothing_runs(started, folder)


def test_down_ends_the_command_too_in_folders_of_demos_as_well(
    command: CommandProcess, folder: Path
) -> None:
    started = command.started()

    result = CliRunner().invoke(main, ["local", "down", "--state-dir", str(folder.parent)])

    assert "lf-export dev" in result.output
    assert command.process.poll() is not None
    assert still_running(started) == []


def test_another_command_is_refused_while_one_is_at_work(
    command: CommandProcess, folder: Path
) -> None:
    with (
        pytest.raises(StackInUseError, match=f"by lf-export dev .process {command.process.pid}."),
        LocalStack(folder).session("demo", fresh=True),
    ):
        pass

    assert tree_of(command) == TREE


def test_servers_that_are_kept_outlive_a_command(folder: Path, tmp_path: Path) -> None:
    sleep = (sys.executable, "-c", "import time; time.sleep(60)")
    launch = Launch(sleep, {}, tmp_path, tmp_path / "log")
    stack = LocalStack(folder)
    kept = start(launch, stack._folder.claim().mark("smtp"))

    with stack.session("dev"), stack.running("dagster", launch) as started:
        assert is_running(started)

    assert (is_running(started), is_running(kept)) == (False, True)
    assert stack.down() == {"smtp": 1}
    assert not is_running(kept)


def test_fresh_start_ends_servers_that_are_kept_before_it_removes_their_data(
    folder: Path, tmp_path: Path
) -> None:
    sleep = (sys.executable, "-c", "import time; time.sleep(60)")
    stack = LocalStack(folder)
    mark = stack._folder.claim().mark("smtp")
    kept = start(Launch(sleep, {}, tmp_path, tmp_path / "log"), mark)
    (folder / "inbox").mkdir()

    with stack.session("demo", fresh=True):
        assert not is_running(kept)
        assert not (folder / "inbox").exists()


def test_command_that_was_suspended_is_ended_by_down(command: CommandProcess, folder: Path) -> None:
    started = command.started()
    command.process.send_signal(signal.SIGSTOP)

    assert LocalStack(folder).down()["lf-export dev"] == 1

    command.wait()
    assert still_running(started) == []


def test_process_that_has_the_id_of_a_command_of_yesterday_is_left_alone(
    folder: Path, tmp_path: Path
) -> None:
    sleep = (sys.executable, "-c", "import time; time.sleep(60)")
    bystander = start(Launch(sleep, {}, tmp_path, tmp_path / "log"))
    yesterday = ProcessRecord(pid=bystander.pid, started_at=bystander.started_at - 86_400)
    stack = LocalStack(folder)
    with stack.session("dev"):
        holder = Holder(command="dev", process=yesterday)
        (folder / SESSION_FILE).write_text(holder.model_dump_json())
        assert session.holder_of(folder) == holder
    remembered = stack._folder.claim()
    stack._folder.remember(remembered, "smtp", yesterday)

    assert stack.down() == {}

    assert is_running(bystander)
    stop(bystander)
