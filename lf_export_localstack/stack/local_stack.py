"""The embedded stack: Postgres, ClickHouse, S3 and SMTP, started and stopped together."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lf_export_localstack.processes import process, running_processes, session, tcp_ports
from lf_export_localstack.processes.process_marks import new_mark
from lf_export_localstack.processes.readiness import wait_until_ready
from lf_export_localstack.processes.stack_errors import LocalStackError
from lf_export_localstack.processes.state import KEPT, StackState
from lf_export_localstack.processes.stopping import stop, stop_all
from lf_export_localstack.services.clickhouse_service import ClickHouse
from lf_export_localstack.services.mail_service import Mail
from lf_export_localstack.services.postgres_service import Postgres
from lf_export_localstack.services.seaweedfs_service import SeaweedFS
from lf_export_localstack.services.service import Service
from lf_export_localstack.stack.service_status import (
    ServiceStatus,
    answers,
    record_of,
    status_of,
)
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_localstack.stack.state_folder import StateFolder

DEFAULT_STATE_DIR = Path(".lf-export")
SERVICES: tuple[type[Service], ...] = (Postgres, ClickHouse, SeaweedFS, Mail)

Tell = Callable[[str], None]
"""Takes a line for whoever waits."""


def tell_nobody(_line: str) -> None:
    """For those whom nobody watches."""


class StackNotStartedError(LocalStackError):
    """The stack's addresses were asked for before it was ever started."""


class LocalStack:
    """The embedded stack of one state directory.

    Everything it knows is in that directory: another object, in another process, on the same
    directory is the same stack. As a context manager it is a session: what it has started ends with
    the context, or with this process, whatever ends that.
    """

    def __init__(
        self,
        state_dir: Path = DEFAULT_STATE_DIR,
        *,
        ports: Mapping[str, int] | None = None,
        tell: Tell = tell_nobody,
    ) -> None:
        """Nothing is started yet.

        Args:
            state_dir: made if needed, for its owner alone.
            ports: fixed ports by name (`postgres`, `clickhouse`, `s3`, `smtp`); others are chosen.
            tell: takes a line per server that starts, and other news.
        """
        self.state_dir = state_dir.resolve()
        self._folder = StateFolder(self.state_dir)
        self._configured_ports = dict(ports or {})
        self._tell = tell
        self._session = ExitStack()

    def up(self) -> StackAddresses:
        """The addresses of the running stack; what does not run yet is started, all at once.

        Data of an earlier start are found again, and so are ports that are still free. What is
        started belongs to the session that the stack is in; outside of one it runs until `down`.

        Raises:
            ServiceNotReadyError: a server did not start; those started with it are stopped again.
            PortTakenError: a configured port is in use.
            ForeignFolderError: the directory holds another program's state file.
        """
        with self._folder.exclusively() as remembered:
            if not session.is_going_on(self.state_dir):
                self._end_leftovers(KEPT)
                self._folder.enter(remembered, KEPT)
            missing = [s for s in self._services(remembered) if not answers(s)]
            self._start_all(missing, remembered)
        return self.addresses()

    def down(self) -> Counter[str]:
        """Stops every process of this stack, and the command that is at work on it.

        Data, ports and credentials are kept. Returns how many processes of each name have ended.
        """
        remembered = self._folder.load()
        if remembered is None:
            return Counter()
        mark = new_mark(remembered.stack)
        ended = running_processes.names_below(mark)
        if holder := session.end_session(self.state_dir):
            ended[holder.command] += 1
        with self._folder.exclusively():
            return ended | running_processes.end_processes(self.state_dir, mark)

    def destroy(self) -> None:
        """Stops the stack and removes its directory with all data.

        Raises:
            ForeignFolderError: the directory holds something, but no stack was ever started in it.
        """
        self._folder.refuse_foreign()
        self.down()
        self._folder.remove()

    @contextmanager
    def session(self, command: str, *, fresh: bool = False) -> Iterator[Self]:
        """What is started within ends with the context, or with this process; see ``session``.

        What an earlier session has left is ended first.

        Args:
            command: What another one that wants the stack is told of who has it.
            fresh: whether to remove all data first, and to end the servers of `up` with them.

        Raises:
            StackInUseError: another command has a session on this stack.
            ForeignFolderError: the directory is not a stack's.
        """
        if fresh:
            self._folder.refuse_foreign()
        self._folder.claim()
        with session.locked(self.state_dir, command, self._tell) as descriptor:
            with self._folder.exclusively() as known:
                self._end_leftovers(kept=None if fresh else KEPT)
                remembered = self._folder.begin_anew() if fresh else known
                self._folder.enter(remembered, session.new_session())
            prefix = new_mark(remembered.stack, remembered.session)
            with session.guarded(self.state_dir, prefix, descriptor):
                yield self

    @contextmanager
    def temporary(self) -> Iterator[Self]:
        """The running stack in a session, removed with all data at the end of the context."""
        with self.session("a test or a measurement"):
            try:
                self.up()
                yield self
            finally:
                self.destroy()

    @contextmanager
    def running(self, name: str, launch: process.Launch) -> Iterator[process.ProcessRecord]:
        """A program that uses the servers, which are up; it ends with the context or the stack."""
        with self._folder.exclusively() as remembered:
            record = process.start(launch, remembered.mark(name))
            self._folder.remember(remembered, name, record)
        try:
            yield record
        finally:
            stop(record)

    def status(self) -> list[ServiceStatus]:
        """How each server is doing, asked now."""
        remembered = self._folder.load() or StackState()
        services = self._services(remembered)
        with ThreadPoolExecutor(len(services)) as pool:
            return list(pool.map(status_of, services))

    def addresses(self) -> StackAddresses:
        """Where the servers are, as of the last start.

        Raises:
            StackNotStartedError: there was none.
        """
        remembered = self._folder.load()
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
        with ExitStack() as opened:
            opened.enter_context(self.session("a test or a measurement"))
            self.up()
            self._session = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def _services(self, remembered: StackState) -> list[Service]:
        return [service(self.state_dir, remembered) for service in SERVICES]

    def _end_leftovers(self, kept: str | None) -> None:
        """Ends what belongs to sessions that are over; nobody may be in one now."""
        ended = running_processes.end_other_sessions(self.state_dir, kept)
        if ended:
            names = running_processes.sentence_of(ended)
            self._tell(f"Ended what an earlier command had left: {names}")

    def _start_all(self, services: list[Service], remembered: StackState) -> None:
        if not services:
            return
        stop_all([record for service in services if (record := record_of(service))])
        names = [name for service in services for name in service.port_names]
        remembered.ports |= tcp_ports.choose(
            names, earlier=remembered.ports, configured=self._configured_ports
        )
        self._tell(f"Starting {', '.join(service.name for service in services)}")
        with ThreadPoolExecutor(len(services)) as pool:
            try:
                list(pool.map(lambda service: self._start(service, remembered), services))
            except BaseException:
                # Before the pool waits for its threads: these wait for their servers.
                stop_all([record for service in services if (record := record_of(service))])
                raise

    def _start(self, service: Service, remembered: StackState) -> None:
        begun = time.monotonic()
        service.prepare()
        record = process.start(service.launch(), service.mark)
        self._folder.remember(remembered, service.name, record)
        wait_until_ready(
            service.name,
            record,
            service.probe,
            log=service.log,
            patience_seconds=service.patience_seconds,
        )
        service.provision()
        seconds = time.monotonic() - begun
        self._tell(f"{service.name} answers on {tcp_ports.HOST}:{service.port} ({seconds:.1f} s)")
