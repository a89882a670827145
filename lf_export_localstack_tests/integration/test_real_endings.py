"""As ``test_endings``, with all servers, Dagster's processes and the workers of its runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from lf_export_localstack.processes.state import load
from lf_export_localstack.processes.tcp_ports import choose
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

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

CLI = ("-m", "lf_export_pipeline.cli")


@pytest.fixture
def dev(state_dir: Path) -> Iterator[CommandProcess]:
    """``lf-export dev`` whose UI answers."""
    (port,) = choose(["webserver"], earlier={}, configured={}).values()
    options = ("--state-dir", str(state_dir), "--port", str(port), "--traces", "10")
    with running_command(state_dir, *CLI, "dev", *options) as command:
        command.wait_for("Ctrl-C ends everything.")
        yield command


@pytest.fixture
def demo(state_dir: Path) -> Iterator[CommandProcess]:
    """``lf-export demo`` in the midst of an export."""
    with running_command(state_dir, *CLI, "demo", "--state-dir", str(state_dir)) as command:
        command.wait_for(", 0 of ")  # a run has counted its rows; next come its chunks
        yield command


def programs_of(command: CommandProcess) -> str:
    return "\n".join(" ".join(words_of(each)) for each in command.started())


@pytest.mark.parametrize("way", WAYS)
def test_nothing_stays_behind_of_dev(way: str, dev: CommandProcess, state_dir: Path) -> None:
    started = dev.started()
    for program in ("postgres", "clickhouse_server", "weed", "smtp_server"):
        assert program in programs_of(dev)
    for program in ("dagster dev", "dagster_webserver", "dagster._daemon", "dagster api grpc"):
        assert program in programs_of(dev), programs_of(dev)
    assert str(state_dir / "inbox") in dev.output.decode()

    WAYS[way](dev)
    code = dev.wait()

    if way in WAITED_FOR:
        assert (code, still_running(started)) == (0, [])
        assert "Ended; the data are kept." in dev.output.decode()
    wait_until_nothing_runs(started, state_dir)
    known = load(state_dir)
    assert known is not None
    (scratch,) = known.processes["dagster-dev"].leaves
    assert not Path(scratch).exists()


@pytest.mark.parametrize("way", ["ctrl-c", "closed terminal", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_nothing_stays_behind_of_a_demo_at_work(
    way: str, demo: CommandProcess, state_dir: Path
) -> None:
    started = demo.started()
    assert "dagster-daemon" in programs_of(demo)

    WAYS[way](demo)
    demo.wait()

    wait_until_nothing_runs(started, state_dir)


def test_the_next_demo_ends_what_one_has_left_that_was_killed_with_its_guardian(
    demo: CommandProcess, state_dir: Path
) -> None:
    started = demo.started()
    demo.kill_with_guardian()
    demo.wait()
    assert still_running(started)

    with running_command(state_dir, *CLI, "demo", "--state-dir", str(state_dir)) as again:
        again.wait_for("Ended what an earlier command had left: ")
        again.wait_for("Starting")
        assert still_running(started) == []


def test_down_ends_what_a_dev_has_left_that_was_killed_with_its_guardian(
    dev: CommandProcess, state_dir: Path
) -> None:
    started = dev.started()
    dev.kill_with_guardian()
    dev.wait()
    assert still_running(started)

    result = CliRunner().invoke(main, ["local", "down", "--state-dir", str(state_dir)])

    assert still_running(started) == []
    for name in ("clickhouse", "dagster-dev", "postgres", "seaweedfs", "smtp"):
        assert name in result.output


def test_servers_of_an_earlier_up_outlive_dev(state_dir: Path) -> None:
    (port,) = choose(["webserver"], earlier={}, configured={}).values()
    LocalStack(state_dir).up()
    options = ("--state-dir", str(state_dir), "--port", str(port), "--traces", "10")
    with running_command(state_dir, *CLI, "dev", *options) as command:
        command.wait_for("Ctrl-C ends everything.")
        command.press_ctrl_c()
        assert command.wait() == 0

    assert all(status.answers for status in LocalStack(state_dir).status())
    ended = LocalStack(state_dir).down()
    assert set(ended) == {"clickhouse", "postgres", "seaweedfs", "smtp"}
