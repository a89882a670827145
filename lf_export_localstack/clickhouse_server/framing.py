"""Response bodies on the wire: chunked transfer, content encodings, and exceptions in mid-stream.

When a query fails after its response has begun, the status has long been sent. ClickHouse then
writes the exception into the body between two markers that carry a random tag announced in a
header, and leaves the chunked transfer unfinished: a client that knows the markers can name the
error, and one that does not still sees a broken transfer, never a short result.
"""

import fcntl
import os
import secrets
import socket
import struct
import termios
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import lz4.frame
import zstandard

COPY_BYTES: Final = 1 << 20
HELD_BACK_BYTES: Final = 4096  # more than the end of any format needs
TAG_BYTES: Final = 8
EXCEPTION_MARKER: Final = b"__exception__"
EXCEPTION_MAX_BYTES: Final = 16 << 10
CHUNK_END: Final = b"\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


class Compressor(Protocol):
    """What the compressors of zlib and zstandard have in common; lz4 is wrapped to fit."""

    def compress(self, data: bytes, /) -> bytes:
        """Gives the compressed bytes that are ready."""

    def flush(self) -> bytes:
        """Gives the rest and ends the stream."""


class _Lz4Frame:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes, /) -> bytes:
        begin = b"" if self._begun else bytes(self._frame.begin())
        self._begun = True
        return begin + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        begin = b"" if self._begun else bytes(self._frame.begin())
        return begin + bytes(self._frame.flush())


_COMPRESSORS: Final[dict[str, Callable[[], Compressor]]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "lz4": _Lz4Frame,
    "gzip": lambda: zlib.compressobj(level=3, wbits=31),
    "deflate": lambda: zlib.compressobj(level=3),
}


def choose_encoding(accepted: str) -> str | None:
    """Gives the content encoding for a client: the first it accepts of zstd, lz4, gzip, deflate.

    Args:
        accepted: its Accept-Encoding header; quality values are not weighed, as in ClickHouse.
    """
    names = {entry.split(";")[0].strip().lower() for entry in accepted.split(",")}
    return next((name for name in _COMPRESSORS if name in names), None)


def new_exception_tag() -> str:
    """Gives 16 random characters, which no result contains by accident."""
    return secrets.token_hex(TAG_BYTES)


def exception_block(message: str, tag: str) -> bytes:
    """Gives what ends a response that failed after it had begun.

    Args:
        message: the exception as an error response would have shown it.
        tag: the one announced in X-ClickHouse-Exception-Tag.
    """
    text = message.encode()[:EXCEPTION_MAX_BYTES]
    opening = b"\r\n" + EXCEPTION_MARKER + b"\r\n" + tag.encode() + b"\r\n"
    closing = str(len(text)).encode() + b" " + tag.encode() + b"\r\n" + EXCEPTION_MARKER + b"\r\n"
    return opening + text + b"\n" + closing


class ChunkedBody:
    """Writes one response body to a socket, in chunks, compressed if asked."""

    def __init__(self, connection: socket.socket, encoding: str | None) -> None:
        self._socket = connection
        self._compressor = _COMPRESSORS[encoding]() if encoding else None
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Sends output of a query but for its last bytes, which wait for the query's outcome.

        The engine ends its document properly even when the query fails: an Arrow stream gets its
        end marker, JSON its closing brackets, and a client would take the short result for a whole
        one. So the end is sent by ``finish`` alone and dropped by ``abort``.

        Args:
            data: the next bytes of the output.
        """
        known = self._held + data
        self._write(known[:-HELD_BACK_BYTES])
        self._held = known[-HELD_BACK_BYTES:]

    def feed_from(self, pipe: int) -> bool:
        """Feeds what a pipe holds; when nothing compresses, past this process's memory.

        Args:
            pipe: its reading end, readable.

        Returns:
            False at the end of the pipe.
        """
        ready = pipe_bytes(pipe) - HELD_BACK_BYTES
        if ready > 0 and self._compressor is None and hasattr(os, "splice"):
            self._splice(pipe, ready)
            self._held = os.read(pipe, HELD_BACK_BYTES)
            return True
        data = os.read(pipe, COPY_BYTES)
        self.feed(data)
        return bool(data)

    def finish(self) -> None:
        """Ends the body, so that the client knows it is complete."""
        self._write(self._held)
        self._flush()
        self._socket.sendall(LAST_CHUNK)

    def abort(self, block: bytes) -> None:
        """Sends the exception in place of the held bytes; the connection has to be closed then.

        Args:
            block: see ``exception_block``.
        """
        self._write(block)
        self._flush()

    def _write(self, data: bytes) -> None:
        packed = self._compressor.compress(data) if self._compressor and data else data
        if packed:
            self._socket.sendall(b"%x\r\n" % len(packed))
            self._socket.sendall(packed)
            self._socket.sendall(CHUNK_END)

    def _flush(self) -> None:
        if self._compressor is not None:
            rest = self._compressor.flush()
            self._compressor = None
            self._write(rest)

    def _splice(self, pipe: int, size: int) -> None:
        more = getattr(socket, "MSG_MORE", 0)
        self._socket.sendall(b"%x\r\n" % (len(self._held) + size) + self._held, more)
        left = size
        while left:
            left -= os.splice(pipe, self._socket.fileno(), left)
        self._socket.sendall(CHUNK_END)


def pipe_bytes(pipe: int) -> int:
    """Gives the number of bytes a pipe holds."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
