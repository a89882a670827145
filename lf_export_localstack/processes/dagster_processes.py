"""Dagster's own processes on the embedded stack, for ``dev``, ``demo`` and tests."""

import os
import shutil
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lf_export_localstack.processes.process import Launch, ProcessRecord, start
from lf_export_localstack.processes.readiness import wait_until_ready
from lf_export_localstack.processes.stopping import stop
from lf_export_localstack.processes.tcp_ports import choose
from lf_export_pipeline.core.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "dagster.yaml"
WORKSPACE = ("-w", str(REPOSITORY / "workspace.yaml"))
HOST = "127.0.0.1"
PATIENCE_SECONDS = 120
STOP_SECONDS = 30


def prepare_home(state_dir: Path) -> Path:
    """The folder for DAGSTER_HOME, with a copy of this project's ``dagster.yaml``.

    Raises:
        ConfigurationError: The package was installed without the repository around it.
    """
    if not CONFIG.is_file():
        raise ConfigurationError(f"{CONFIG.name} is not there; install with pip install -e.")
    home = (state_dir / "dagster").resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(CONFIG, home / CONFIG.name)
    return home


def environment_for(stack: Mapping[str, str], home: Path, **others: str) -> dict[str, str]:
    """What a process inherits: this one's environment, the stack's addresses and DAGSTER_HOME."""
    return {**os.environ, **stack, "DAGSTER_HOME": str(home), **others}


def launch_of(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Launch:
    """How a process of Dagster's is started, and ended with all that it has started.

    Args:
        name: Of its log in ``folder``.
        arguments: A program from beside this Python, and what it is told.
        environment: All of it.
        folder: Its working directory.
    """
    program = str(Path(sys.executable).with_name(arguments[0]))
    # Its sockets stay in the temporary folder when it is killed. Not below the state directory: the
    # path of a socket may have no more than a hundred characters.
    scratch = tempfile.mkdtemp(prefix="lf-export-dagster-")
    return Launch(
        argv=(program, *arguments[1:]),
        environment={**environment, "TMPDIR": scratch},
        directory=folder,
        log=folder / f"{name}.log",
        stop_request=signal.SIGINT,
        stop_seconds=STOP_SECONDS,
        leaves=(scratch,),
        uses_others=True,
    )


@contextmanager
def running(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[ProcessRecord]:
    """A process of Dagster's beside a stack, ended when the context ends; see ``launch_of``."""
    record = start(launch_of(name, arguments, environment, folder))
    try:
        yield record
    finally:
        stop(record)


def daemon_arguments() -> list[str]:
    """The daemon: sensors, schedules, the run queue, run monitoring and run retries."""
    return ["dagster-daemon", "run", *WORKSPACE]


def webserver_arguments(port: int) -> list[str]:
    """The UI."""
    return ["dagster-webserver", "-h", HOST, "-p", str(port), *WORKSPACE]


@contextmanager
def daemon_and_ui(
    environment: Mapping[str, str], home: Path
) -> Iterator[tuple[ProcessRecord, str]]:
    """The daemon, and the address of a UI that answers, on a port that is free.

    Raises:
        ServiceNotReadyError: The UI does not; with the end of its log.
    """
    (port,) = choose(["webserver"], earlier={}, configured={}).values()
    with (
        running("daemon", daemon_arguments(), environment, home) as daemon,
        running("webserver", webserver_arguments(port), environment, home) as ui,
    ):
        wait_for_ui(ui, port, home / "webserver.log")
        yield daemon, f"http://{HOST}:{port}"


def dev_arguments(port: int) -> list[str]:
    """The UI and the daemon together."""
    return ["dagster", "dev", "-h", HOST, "-p", str(port), *WORKSPACE]


def wait_for_ui(record: ProcessRecord, port: int, log: Path) -> None:
    """Returns as soon as the UI answers.

    Raises:
        ServiceNotReadyError: It has ended, or nothing moves; with the end of its log.
    """

    def probe() -> None:
        with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=5):
            pass

    wait_until_ready("Dagster's UI", record, probe, log=log, patience_seconds=PATIENCE_SECONDS)
