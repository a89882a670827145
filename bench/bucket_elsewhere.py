"""A bucket that costs this machine next to nothing: it takes parts, counts them and forgets them.

It speaks as much of S3 as an upload needs, over plain HTTP on loopback, and answers as a service
that knows checksums does, but proves nothing: it repeats the checksum that it is told. What it is
sent is discarded by the kernel, uncopied. It measures the client's side of an upload without a
server of S3 on the same processors.

``python -m bench.bucket_elsewhere`` starts it alone and prints its address.
"""

import base64
import hashlib
import http.client
import io
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

DISCARDED_AT_ONCE = 1 << 20
CHECKSUM = "x-amz-checksum-sha256"
_CHECKSUM_OF_PART = re.compile(r"<ChecksumSHA256>([^<]+)</ChecksumSHA256>")


Answer = tuple[int, dict[str, str], str]
"""Status, headers and text."""


@dataclass
class Objects:
    """What is known of what was sent: sizes of parts and objects, and their checksums."""

    parts: dict[str, int] = field(default_factory=dict)
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Request:
    """One request without its body."""

    method: str
    target: str
    headers: http.client.HTTPMessage

    @property
    def key(self) -> str:
        return urlsplit(self.target).path

    @property
    def length(self) -> int:
        return int(self.headers.get("Content-Length", 0))

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


@contextmanager
def bucket_elsewhere() -> Iterator[tuple[str, int]]:
    """The address of such a server and the id of its process, which ends with the context."""
    command = [sys.executable, "-m", "bench.bucket_elsewhere"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def serve() -> None:
    """Print the address, and answer until somebody ends the process."""
    known = Objects()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        print(f"http://127.0.0.1:{server.getsockname()[1]}", flush=True)
        while True:
            client, _ = server.accept()
            threading.Thread(target=_Talk(client, known).go_on, daemon=True).start()


class _Talk:
    """One connection."""

    def __init__(self, client: socket.socket, known: Objects) -> None:
        self._client = client
        self._known = known
        self._scrap = bytearray(DISCARDED_AT_ONCE)

    def go_on(self) -> None:
        with self._client:
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (head := self._head()) is not None:
                self._answer(head)

    def _head(self) -> Request | None:
        """The next request, byte by byte in effect: what is behind it stays with the kernel."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen = self._client.recv(65536, socket.MSG_PEEK)
            if not seen:
                return None
        head = self._client.recv(seen.index(b"\r\n\r\n") + 4)
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ")
        return Request(method, target, http.client.parse_headers(io.BytesIO(rest)))

    def _answer(self, asked: Request) -> None:
        if asked.headers.get("Expect"):
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._kept(asked.length) if asked.method == "POST" else self._discarded(asked.length)
        with self._known.lock:
            status, headers, text = _answer(asked, body, self._known)
        lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
        if "Content-Length" not in headers:
            lines.append(f"Content-Length: {len(text)}")
        self._client.sendall("\r\n".join([*lines, "", text]).encode())

    def _kept(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            found += self._client.recv(length - len(found))
        return found

    def _discarded(self, length: int) -> bytes:
        while length > 0:
            wanted = min(length, DISCARDED_AT_ONCE)
            length -= self._client.recv_into(self._scrap, wanted, socket.MSG_TRUNC)
        return b""


def _answer(asked: Request, body: bytes, known: Objects) -> Answer:
    """What such a request is answered; the known objects change with it."""
    if asked.method == "POST":
        return _begun(asked) if "uploads" in asked.query else _completed(asked, body, known)
    if asked.method == "PUT":
        return _taken(asked, known)
    if asked.method == "DELETE":
        known.objects.pop(asked.key, None)
        return 204, {"Content-Length": "0"}, ""
    if asked.method == "HEAD" and asked.key in known.objects:
        size, checksum = known.objects[asked.key]
        return 200, {"Content-Length": str(size), CHECKSUM: checksum}, ""
    if asked.method == "GET" and "uploads" in asked.query:
        return 200, {}, "<R><IsTruncated>false</IsTruncated></R>"
    return 404, {"Content-Length": "0"}, ""


def _begun(asked: Request) -> Answer:
    algorithm = asked.headers.get("x-amz-checksum-algorithm")
    headers = {"x-amz-checksum-algorithm": algorithm} if algorithm else {}
    return 200, headers, "<R><UploadId>1</UploadId></R>"


def _completed(asked: Request, body: bytes, known: Objects) -> Answer:
    sums = _CHECKSUM_OF_PART.findall(body.decode())
    whole = hashlib.sha256(b"".join(map(base64.b64decode, sums))).digest()
    checksum = f"{base64.b64encode(whole).decode()}-{len(sums)}"
    known.objects[asked.key] = known.parts.pop(asked.key, 0), checksum
    return 200, {}, '<R><ETag>"none"</ETag></R>'


def _taken(asked: Request, known: Objects) -> Answer:
    told = asked.headers.get(CHECKSUM, "")
    if "partNumber" in asked.query:
        known.parts[asked.key] = known.parts.get(asked.key, 0) + asked.length
    else:
        known.objects[asked.key] = asked.length, told
    return 200, {"ETag": '"none"'} | ({CHECKSUM: told} if told else {}), ""


if __name__ == "__main__":
    serve()
