"""A proxy that spoils chosen answers of a real server, as networks and dying servers do."""

import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from threading import Thread
from urllib.parse import urlsplit

PIECE_BYTES = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what is on its way
_HOP_BY_HOP = {"transfer-encoding", "connection"}


@dataclass(frozen=True)
class Request:
    """What the client asked."""

    method: str
    path: str
    body: bytes


class _Arriving(Request):
    """A request whose body stays with the client until somebody asks for it."""

    def __init__(self, method: str, path: str, source: BufferedIOBase, length: int) -> None:
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "_source", source)
        object.__setattr__(self, "length", length)

    @cached_property
    def body(self) -> bytes:
        source: BufferedIOBase = self._source  # type: ignore[attr-defined]
        return source.read(self.length)  # type: ignore[attr-defined]


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
    content_type: str = ""


class Drop:
    """The connection is closed, and the server hears nothing."""


class Reset:
    """The connection is reset when half of the request's body has come."""


@dataclass(frozen=True)
class Stall:
    """Nothing is answered for so long; then the connection is closed."""

    seconds: float


@dataclass(frozen=True)
class Trickle:
    """The answer comes in so many pieces, each after a pause."""

    pieces: int
    pause_seconds: float


@dataclass(frozen=True)
class Meanwhile:
    """The server does what was asked; before its answer is passed on, something happens."""

    deed: Callable[[], object]


@dataclass(frozen=True)
class Beforehand:
    """Something happens, and only then the server is asked."""

    deed: Callable[[], object]


@dataclass(frozen=True)
class Answer:
    """What a server answered, as far as it came.

    Attributes:
        status: Of HTTP.
        body_bytes: How much of the body came.
        is_whole: Whether the body ended as its header or its last chunk says.
    """

    status: int
    body_bytes: int
    is_whole: bool


@dataclass(frozen=True)
class Instead:
    """The server is asked something else; ``answered`` is told how it answered."""

    request: Request
    answered: Callable[[Answer], object] = lambda _answer: None


Spoiling = (
    Lose | Cut | Refuse | Drop | Reset | Stall | Trickle | Meanwhile | Beforehand | Instead | None
)
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
        length = int(self.headers.get("Content-Length", 0))
        request: Request = _Arriving(self.command, self.path, self.rfile, length)
        spoiling = self.spoil(request)
        if isinstance(spoiling, Reset):
            self._reset(length // 2)
            return
        body = request.body
        if isinstance(spoiling, Refuse):
            self._refuse(spoiling)
            return
        if isinstance(spoiling, Stall):
            time.sleep(spoiling.seconds)
        if isinstance(spoiling, Drop | Stall):
            self.close_connection = True
            return
        if isinstance(spoiling, Beforehand):
            spoiling.deed()
        asked = spoiling.request if isinstance(spoiling, Instead) else request
        try:
            with closing(http.client.HTTPConnection(self.target)) as upstream:
                self._ask(upstream, asked, body if asked is request else asked.body)
                self._pass_on(upstream.getresponse(), spoiling)
        except (OSError, http.client.HTTPException):
            self.close_connection = True

    def _reset(self, heard_bytes: int) -> None:
        self.rfile.read(heard_bytes)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True

    def _refuse(self, refusal: Refuse) -> None:
        self.send_response_only(refusal.status)
        self.send_header("Content-Length", str(len(refusal.body)))
        if refusal.content_type:
            self.send_header("Content-Type", refusal.content_type)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else refusal.body)

    def _ask(self, upstream: http.client.HTTPConnection, request: Request, body: bytes) -> None:
        dropped = {"expect", "content-length", "transfer-encoding"}
        headers = {n: v for n, v in self.headers.items() if n.lower() not in dropped}
        if body or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        upstream.request(request.method, request.path, body or None, headers)

    def _pass_on(self, response: http.client.HTTPResponse, spoiling: Spoiling) -> None:
        if isinstance(spoiling, Lose):
            response.read()
            self.close_connection = True
        elif isinstance(spoiling, Cut):
            self._send(response, [response.read()[: -spoiling.missing]], is_cut=True)
        elif isinstance(spoiling, Meanwhile):
            data = response.read()
            spoiling.deed()
            self._send(response, [data])
        elif isinstance(spoiling, Trickle):
            self._send(response, _slowly(response.read(), spoiling))
        else:
            answer = self._send(response, iter(lambda: _next_piece(response), b""))
            if isinstance(spoiling, Instead):
                spoiling.answered(answer)

    def _send(
        self,
        response: http.client.HTTPResponse,
        pieces: Iterator[bytes] | list[bytes],
        *,
        is_cut: bool = False,
    ) -> Answer:
        """Pass on an answer; what its server did not send to the end does not end here either."""
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if response.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent, is_whole = 0, not is_cut
        try:
            for piece in pieces:
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if response.chunked else piece
                self.wfile.write(framed)
                sent += len(piece)
        except http.client.IncompleteRead:
            is_whole = False
        promised = response.getheader("Content-Length")
        if promised is not None and self.command != "HEAD":
            is_whole = is_whole and sent == int(promised)
        if response.chunked and is_whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or not is_whole or not _has_end(response)
        return Answer(response.status, sent, is_whole)


def _next_piece(response: http.client.HTTPResponse) -> bytes:
    """A chunk as soon as it is there; of other bodies the library does not count what is left."""
    return response.read1(PIECE_BYTES) if response.chunked else response.read(PIECE_BYTES)


def _slowly(data: bytes, trickle: Trickle) -> Iterator[bytes]:
    size = max(1, -(-len(data) // trickle.pieces))
    for start in range(0, len(data), size):
        time.sleep(trickle.pause_seconds)
        yield data[start : start + size]


def _has_end(response: http.client.HTTPResponse) -> bool:
    """Whether the client can tell where the answer ends without the connection closing."""
    is_empty = response.status in (204, 304)
    return response.chunked or is_empty or response.getheader("Content-Length") is not None
