"""What lies between an export and its four servers: everything that is said can be spoiled."""

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from time import sleep, time
from typing import TypeVar

from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Beforehand,
    Drop,
    Instead,
    Lose,
    Meanwhile,
    Refuse,
    Request,
    Spoiling,
    Stall,
    proxy,
)

PIECE_BYTES = 1 << 16
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that the export has said to a server.

    Attributes:
        server: Which one.
        number: Its place among the words of the export to all servers, counting from 1.
        request: For Postgres and SMTP only the body is filled, with what was sent at once.
    """

    server: str
    number: int
    request: Request


Scenario = Callable[[Word], Spoiling]


@dataclass
class FaultProxy:
    """Hands every word to the scenario of the moment, one at a time: scenarios count.

    Attributes:
        scenario: Says what becomes of a word.
        heard: Server and instant of every word since the scenario began.
        failures: What scenarios and their deeds have raised; nobody sees that in their threads.
    """

    scenario: Scenario = lambda _word: None
    heard: list[tuple[str, float]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._asking = threading.Lock()

    def play(self, scenario: Scenario | None = None) -> None:
        """Begin another scenario, and count from 1 again; none lets everything pass."""
        with self._lock:
            self.scenario = scenario or (lambda _word: None)
            self.heard, self._numbers = [], count(1)
            self.failures = []  # a thread that is late keeps the list of its own scenario

    def listener(self, server: str) -> Callable[[Request], Spoiling]:
        """What the proxy before a server asks about each request."""

        def listen(request: Request) -> Spoiling:
            with self._lock:
                word = Word(server, next(self._numbers), request)
                self.heard.append((server, time()))
                scenario, failures = self.scenario, self.failures
            with self._asking:
                return _watched(_noting(scenario, failures)(word), failures)

        return listen

    def raise_failure(self) -> None:
        """Raise what a scenario or a deed has raised, once."""
        if self.failures:
            raise self.failures.pop(0)


def _watched(spoiling: Spoiling, failures: list[BaseException]) -> Spoiling:
    if isinstance(spoiling, Meanwhile | Beforehand):
        deed = spoiling.deed
        return replace(spoiling, deed=_noting(lambda *_: deed(), failures))
    if isinstance(spoiling, Instead):
        return replace(spoiling, answered=_noting(spoiling.answered, failures))
    return spoiling


def _noting(act: Callable[..., Given], failures: list[BaseException]) -> Callable[..., Given]:
    def noting(*arguments: object) -> Given:
        try:
            return act(*arguments)
        except BaseException as failure:
            failures.append(failure)
            raise

    return noting


@contextmanager
def tapped(addresses: StackAddresses, fault_proxy: FaultProxy) -> Iterator[dict[str, str]]:
    """The environment of a process that reaches its servers through the wire."""
    credentials = addresses.credentials
    mail = f"smtp://{credentials.smtp_user}:{credentials.smtp_password}@"
    with ExitStack() as open_taps:
        clickhouse = proxy(addresses.clickhouse_url, fault_proxy.listener("ClickHouse"))
        s3 = proxy(addresses.s3_endpoint, fault_proxy.listener("S3"))
        postgres = tap(addresses.postgres_port, fault_proxy.listener("Postgres"))
        smtp = tap(addresses.smtp_port, fault_proxy.listener("SMTP"))
        port = open_taps.enter_context(postgres)
        url = addresses.database_url.replace(f":{addresses.postgres_port}/", f":{port}/")
        yield {
            **addresses.environment(),
            "CLICKHOUSE_URL": open_taps.enter_context(clickhouse),
            "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": open_taps.enter_context(s3),
            "LANGFUSE_S3_BATCH_EXPORT_EXTERNAL_ENDPOINT": addresses.s3_endpoint,
            "DATABASE_URL": url,
            "SMTP_CONNECTION_URL": f"{mail}127.0.0.1:{open_taps.enter_context(smtp)}",
        }


@contextmanager
def tap(target_port: int, listen: Callable[[Request], Spoiling]) -> Iterator[int]:
    """The port of a proxy for any protocol; what the client sends at once counts as a request."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        threading.Thread(target=_accept, args=(server, target_port, listen), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, target_port: int, listen: Callable[[Request], Spoiling]) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        talk = _Conversation(client, target_port, listen)
        threading.Thread(target=talk.hold, daemon=True).start()


class _Conversation:
    """One connection, until either side or the scenario ends it."""

    def __init__(
        self, client: socket.socket, target_port: int, listen: Callable[[Request], Spoiling]
    ) -> None:
        self._client = client
        self._target_port = target_port
        self._listen = listen
        self._next_answer: Spoiling = None

    def hold(self) -> None:
        with self._client:
            try:
                with socket.create_connection(("127.0.0.1", self._target_port)) as server:
                    self._pass_on(server)
            except OSError:
                return

    def _pass_on(self, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._client, selectors.EVENT_READ, (server, self._asked))
            ready.register(server, selectors.EVENT_READ, (self._client, self._answered))
            while True:
                for key, _ in ready.select():
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    target, passes = key.data
                    data = source.recv(PIECE_BYTES)
                    if not data or not passes(data):
                        return
                    target.sendall(data)

    def _asked(self, data: bytes) -> bool:
        spoiling = self._listen(Request("", "", data))
        if isinstance(spoiling, Refuse):
            self._client.sendall(spoiling.body)
        if isinstance(spoiling, Stall):
            sleep(spoiling.seconds)
        if isinstance(spoiling, Beforehand):
            spoiling.deed()
        self._next_answer = spoiling
        return not isinstance(spoiling, Refuse | Drop | Stall)

    def _answered(self, _data: bytes) -> bool:
        spoiling, self._next_answer = self._next_answer, None
        if isinstance(spoiling, Meanwhile):
            spoiling.deed()
        return not isinstance(spoiling, Lose)
