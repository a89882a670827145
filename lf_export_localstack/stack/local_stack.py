"""The embedded stack: Postgres, ClickHouse, S3 and SMTP, started and stopped together."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lf_export_localstack.processes import process, state, tcp_ports
from lf_export_localstack.processes.stack_errors import ForeignFolderError, LocalStackError
from lf_export_localstack.services.clickhouse_service import ClickHouse
from lf_export_localstack.services.mail_service import Mail
from lf_export_localstack.services.postgres_service import Postgres
from lf_export_localstack.services.seaweedfs_service import SeaweedFS
from lf_export_localstack.services.service import Service
from lf_export_localstack.stack.stack_addresses import StackAddresses

DEFAULT_STATE_DIR = Path(".lf-export")
SERVICES: tuple[type[Service], ...] = (Postgres, ClickHouse, SeaweedFS, Mail)
LOCK_FILE = "lock"


class StackNotStartedError(LocalStackError):
    """The stack's addresses were asked for before it was ever started."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How one server is doing.

    Attributes:
        pid: None if it does not run.
        port: None if it never ran.
        answers: whether it answered a real request just now.
    """

    name: str
    pid: int | None
    port: int | None
    answers: bool
    log: Path


class LocalStack:
    """The embedded stack of one state directory.

    Everything it knows is in that directory: another object, in another process, on the same
    directory is the same stack. As a context manager it stops at the end what it has started.
    """

    def __init__(
        self, state_dir: Path = DEFAULT_STATE_DIR, *, ports: Mapping[str, int] | None = None
    ) -> None:
        """Nothing is started yet.

        Args:
            state_dir: made if needed, for its owner alone.
            ports: fixed ports by name (`postgres`, `clickhouse`, `s3`, `smtp`); others are chosen.
        """
        self.state_dir = state_dir.resolve()
        self._configured_ports = dict(ports or {})
        self._writing = threading.Lock()
        self._has_started_services = False

    def up(self) -> StackAddresses:
        """The addresses of the running stack; what does not run yet is started, all at once.

        Data of an earlier start are found again, and so are ports that are still free.

        Raises:
            ServiceNotReadyError: a server did not start; those started with it are stopped again.
            PortTakenError: a configured port is in use.
            ForeignFolderError: the directory holds another program's state file.
        """
        state.load(self.state_dir)  # before anything is made in a folder that is not ours
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._exclusively():
            remembered = state.load(self.state_dir) or state.StackState()
            state.save(self.state_dir, remembered)  # whatever happens next, the folder is ours
            for name in ("logs", "spool"):
                (self.state_dir / name).mkdir(mode=0o700, exist_ok=True)
            missing = [s for s in self._services(remembered) if not _answers(s)]
            self._start_all(missing, remembered)
        return self.addresses()

    def down(self) -> None:
        """Stops every server of this stack; data, ports and credentials are kept."""
        remembered = state.load(self.state_dir)
        if remembered is None:
            return
        with self._exclusively():
            remembered = state.load(self.state_dir) or remembered
            self._stop_all(self._services(remembered), remembered)
        self._has_started_services = False

    def destroy(self) -> None:
        """Stops the stack and removes its directory with all data.

        Raises:
            ForeignFolderError: the directory holds something, but no stack was ever started in it.
        """
        remembered = state.load(self.state_dir)
        if remembered is None and any(e.name != LOCK_FILE for e in self._entries()):
            raise ForeignFolderError(
                f"{self.state_dir} is not the folder of an embedded stack, so nothing in it is "
                "removed; name another one."
            )
        self.down()
        if remembered is not None and remembered.postgres_home is not None:
            shutil.rmtree(remembered.postgres_home, ignore_errors=True)
        self._remove_folder()

    def status(self) -> list[ServiceStatus]:
        """How each server is doing, asked now."""
        remembered = state.load(self.state_dir) or state.StackState()
        services = self._services(remembered)
        with ThreadPoolExecutor(len(services)) as pool:
            return list(pool.map(_status, services))

    def addresses(self) -> StackAddresses:
        """Where the servers are, as of the last start.

        Raises:
            StackNotStartedError: there was none.
        """
        remembered = state.load(self.state_dir)
        if remembered is None or not remembered.processes:
            raise StackNotStartedError(f"No embedded stack was started in {self.state_dir}.")
        return StackAddresses(
            postgres_port=remembered.ports["postgres"],
            clickhouse_port=remembered.ports["clickhouse"],
            s3_port=remembered.ports["s3"],
            smtp_port=remembered.ports["smtp"],
            credentials=remembered.credentials,
            inbox=self.state_dir / "inbox",
            spool=self.state_dir / "spool",
        )

    def environment(self) -> dict[str, str]:
        """The variables that make a process use this stack; see `StackAddresses.environment`."""
        return self.addresses().environment()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._has_started_services:
            self.down()

    def _services(self, remembered: state.StackState) -> list[Service]:
        return [service(self.state_dir, remembered) for service in SERVICES]

    def _entries(self) -> list[Path]:
        return list(self.state_dir.iterdir()) if self.state_dir.is_dir() else []

    def _remove_folder(self) -> None:
        """The state file goes last: what an interrupt leaves is still known to be a stack's."""
        for entry in self._entries():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != state.STATE_FILE:
                entry.unlink(missing_ok=True)
        shutil.rmtree(self.state_dir, ignore_errors=True)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Holds off other processes that start or stop the same stack."""
        descriptor = os.open(self.state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _start_all(self, services: list[Service], remembered: state.StackState) -> None:
        if not services:
            return
        self._has_started_services = True
        self._stop_all(services, remembered)
        names = [name for service in services for name in service.port_names]
        remembered.ports |= tcp_ports.choose(
            names, earlier=remembered.ports, configured=self._configured_ports
        )
        try:
            with ThreadPoolExecutor(len(services)) as pool:
                list(pool.map(lambda service: self._start(service, remembered), services))
        except BaseException:
            self._stop_all(services, remembered)
            raise

    def _start(self, service: Service, remembered: state.StackState) -> None:
        service.prepare()
        record = process.start(service.launch())
        with self._writing:
            # Written at once: whatever happens next, a later `down` knows this process.
            remembered.processes[service.name] = record
            state.save(self.state_dir, remembered)
        process.wait_until_ready(
            service.name,
            record,
            service.probe,
            log=service.log,
            deadline_seconds=service.ready_seconds,
        )
        service.provision()

    def _stop_all(self, services: list[Service], remembered: state.StackState) -> None:
        if not services:
            return
        with ThreadPoolExecutor(len(services)) as pool:
            list(pool.map(_stop, services))
        state.save(self.state_dir, remembered)


def _record(service: Service) -> process.ProcessRecord | None:
    return service.state.processes.get(service.name)


def _answers(service: Service) -> bool:
    record = _record(service)
    if record is None or not process.is_running(record):
        return False
    try:
        service.probe()
    except Exception:  # noqa: BLE001 - every client has its own errors; all mean "no"
        return False
    return True


def _status(service: Service) -> ServiceStatus:
    record = _record(service)
    is_running = record is not None and process.is_running(record)
    return ServiceStatus(
        name=service.name,
        pid=record.pid if record is not None and is_running else None,
        port=service.state.ports.get(service.port_names[0]),
        answers=is_running and _answers(service),
        log=service.log,
    )


def _stop(service: Service) -> None:
    record = _record(service)
    if record is not None:
        process.stop(record, request=service.stop_request, grace_seconds=service.stop_seconds)
        service.clean()
