"""A proxy that spoils chosen answers of a real server, as networks and dying servers do."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """What the client asked."""

    method: str
    path: str
    body: bytes


class Lose:
    """The server does what was asked, and the answer never arrives."""


@dataclass(frozen=True)
class Cut:
    """The answer's body breaks off when these many bytes of it are missing."""

    missing: int


@dataclass(frozen=True)
class Refuse:
    """An answer with this status, and the server hears nothing."""

    status: int
    body: bytes = b""


class Drop:
    """The connection is closed, and the server hears nothing."""


@dataclass(frozen=True)
class Meanwhile:
    """The server does what was asked; before its answer is passed on, something happens."""

    deed: Callable[[], object]


@dataclass(frozen=True)
class Instead:
    """The server is asked something else."""

    request: Request


Spoiling = Lose | Cut | Refuse | Drop | Meanwhile | Instead | None
Spoiler = Callable[[Request], Spoiling]


@contextmanager
def proxy(target: str, spoil: Spoiler) -> Iterator[str]:
    """The address of a proxy before ``target`` that asks ``spoil`` about each request."""
    parts = urlsplit(target)
    handler = type("Handler", (_Handler,), {"target": parts.netloc, "spoil": staticmethod(spoil)})
    server = _Server(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients and servers of these tests end in the middle of everything."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: str
    spoil: Spoiler

    def do_GET(self) -> None:
        self._handle()

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 - the names are the library's

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
        """Keep quiet."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, body)
        spoiling = self.spoil(request)
        if isinstance(spoiling, Refuse):
            self._answer(spoiling.status, [], spoiling.body)
            return
        if isinstance(spoiling, Drop):
            self.close_connection = True
            return
        if isinstance(spoiling, Instead):
            request = spoiling.request
        self._forward(request, spoiling)

    def _forward(self, request: Request, spoiling: Spoiling) -> None:
        try:
            status, headers, data = self._answer_of_the_server(request)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        if isinstance(spoiling, Meanwhile):
            spoiling.deed()
        if isinstance(spoiling, Lose):
            self.close_connection = True
            return
        missing = spoiling.missing if isinstance(spoiling, Cut) else 0
        self._answer(status, headers, data, missing)

    def _answer_of_the_server(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        dropped = {"expect", "content-length", "transfer-encoding"}
        headers = {n: v for n, v in self.headers.items() if n.lower() not in dropped}
        if request.body or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(request.body))
        upstream = http.client.HTTPConnection(self.target)
        try:
            upstream.request(request.method, request.path, request.body or None, headers)
            response = upstream.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            upstream.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, missing: int = 0
    ) -> None:
        self.send_response_only(status)
        length = next((v for name, v in headers if name.lower() == "content-length"), None)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        whole = length if self.command == "HEAD" and length else str(len(data))
        self.send_header("Content-Length", whole)
        self.end_headers()
        self.wfile.write(data[: len(data) - missing])
        self.close_connection = self.close_connection or bool(missing)
