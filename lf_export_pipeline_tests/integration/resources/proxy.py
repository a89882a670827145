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


Spoiling = Lose | Cut | Refuse | None
Spoiler = Callable[[Request], Spoiling]


@contextmanager
def proxy(target: str, spoil: Spoiler) -> Iterator[str]:
    """The address of a proxy before ``target`` that asks ``spoil`` about each request."""
    parts = urlsplit(target)
    handler = type("Handler", (_Handler,), {"target": parts.netloc, "spoil": staticmethod(spoil)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
        spoiling = self.spoil(Request(self.command, self.path, body))
        if isinstance(spoiling, Refuse):
            self._answer(spoiling.status, [], b"")
            return
        upstream = http.client.HTTPConnection(self.target)
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        upstream.request(self.command, self.path, body, headers)
        response = upstream.getresponse()
        data = response.read()
        upstream.close()
        if isinstance(spoiling, Lose):
            self.close_connection = True
            return
        missing = spoiling.missing if isinstance(spoiling, Cut) else 0
        self._answer(response.status, response.getheaders(), data, missing)

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
