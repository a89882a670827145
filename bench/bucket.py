"""A bucket elsewhere: a process of its own that takes what is uploaded, counts it and discards it.

    python -m bench.bucket [--port 9000]

An S3 server on the same two processors costs more than all else that an export does; a bucket on
another machine costs nothing here. This one is as near to that as a process on the same machine
can be: the kernel throws away what arrives, without a copy. It believes the checksums that it is
told, checks no signature, and has nothing to give back. Listens on 127.0.0.1 alone.
"""

import argparse
import hashlib
import http.client
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psutil

from bench.bucket_protocol import Bucket, Reply, Request
from bench.measuring import cpu_seconds

HOST = "127.0.0.1"
PIECE_BYTES = 1 << 20
HEAD_MAX_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class BucketProcess:
    """A running one."""

    endpoint: str
    process: psutil.Process
    cpu_of_start: float

    @property
    def cpu_seconds(self) -> float:
        """What it has spent since it answers."""
        return cpu_seconds(self.process) - self.cpu_of_start


@contextmanager
def bucket_elsewhere() -> Iterator[BucketProcess]:
    """One that ends with the context."""
    command = [sys.executable, "-m", "bench.bucket"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            endpoint, process = started.stdout.readline().strip(), psutil.Process(started.pid)
            yield BucketProcess(endpoint, process, cpu_seconds(process))
        finally:
            started.kill()


class Server:
    """Answers each connection in a thread of its own."""

    def __init__(self, port: int = 0) -> None:
        self.bucket = Bucket()
        self._lock = threading.Lock()
        self._socket = socket.create_server((HOST, port), backlog=64)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        """Until the socket is closed."""
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _talk(self, client: socket.socket) -> None:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            incoming = Incoming(client)
            while (asked := incoming.request()) is not None:
                with self._lock:
                    reply = self.bucket.answer(asked)
                client.sendall(_as_bytes(reply, is_head=asked.method == "HEAD"))


class Incoming:
    """Reads the requests of one connection."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._ahead = b""  # what came together with a head

    def request(self) -> Request | None:
        """The next one, with what is needed of its body; None: the client has gone."""
        while b"\r\n\r\n" not in self._ahead:
            came = self._client.recv(HEAD_MAX_BYTES)
            if not came or len(self._ahead) > HEAD_MAX_BYTES:
                return None
            self._ahead += came
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ")
        headers = http.client.parse_headers(io.BytesIO(rest + b"\r\n\r\n"))
        asked = Request(method, target, {name.lower(): value for name, value in headers.items()})
        if "expect" in asked.headers:
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._with_body(asked)

    def _with_body(self, asked: Request) -> Request:
        if asked.method == "POST":
            return replace(asked, body=b"".join(map(bytes, self._pieces(asked.length))))
        if asked.is_summed:
            found = hashlib.md5(usedforsecurity=False)
            for piece in self._pieces(asked.length):
                found.update(piece)
            return replace(asked, md5=found.hexdigest())
        self._discard(asked.length)
        return asked

    def _pieces(self, length: int) -> Iterator[memoryview]:
        """The body; each piece is used up before the next one is asked for."""
        first, self._ahead = self._ahead[:length], self._ahead[length:]
        yield memoryview(first)
        left, buffer = length - len(first), memoryview(bytearray(PIECE_BYTES))
        while left > 0:
            taken = _some(self._client.recv_into(buffer, min(left, PIECE_BYTES)))
            yield buffer[:taken]
            left -= taken

    def _discard(self, length: int) -> None:
        """The kernel throws the body away, uncopied (``MSG_TRUNC``, Linux)."""
        left, nowhere = length - len(self._ahead[:length]), bytearray(PIECE_BYTES)
        self._ahead = self._ahead[length:]
        while left > 0:
            wanted = min(left, PIECE_BYTES)
            left -= _some(self._client.recv_into(nowhere, wanted, socket.MSG_TRUNC))


def _some(taken: int) -> int:
    if not taken:
        raise ConnectionError("The client has gone in the middle of a body.")
    return taken


def _as_bytes(reply: Reply, *, is_head: bool) -> bytes:
    text = b"" if is_head else reply.text.encode()
    length = len(text) if reply.size is None else reply.size
    reason = http.client.responses.get(reply.status, "")
    lines = [f"HTTP/1.1 {reply.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + text


def main() -> None:
    parser = argparse.ArgumentParser(description="A bucket that discards what it takes.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    server = Server(parser.parse_args().port)
    print(server.endpoint, flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        server.close()


if __name__ == "__main__":
    main()
