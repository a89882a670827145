"""Request bodies as streams of bytes: chunked transfer, content encodings, multipart forms."""

import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Final, Protocol

import lz4.frame
import zstandard

from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError

READ_BYTES: Final = 1 << 20
_DISPOSITION: Final = re.compile(r'(?P<key>name|filename)="(?P<value>[^"]*)"')


class Decompressor(Protocol):
    """What the decompressors of zlib, lz4 and zstandard have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed frame has been seen."""

    @property
    def unused_data(self) -> bytes | None:
        """What came behind the end of the frame."""

    def decompress(self, data: bytes, /) -> bytes:
        """Gives what a piece of compressed data stands for."""


_DECOMPRESSORS: Final[dict[str, Callable[[], Decompressor]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": zlib.decompressobj,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a multipart form; a file name makes it a file."""

    name: str
    filename: str | None
    content: bytes


class RequestBody:
    """The body of one request, decoded, read once from front to back."""

    def __init__(self, connection: io.BufferedIOBase, headers: Message) -> None:
        self._raw = _raw_chunks(connection, headers)
        self._decoded = _decoded(self._raw, headers.get("Content-Encoding", "").strip().lower())

    def __iter__(self) -> Iterator[bytes]:
        return self._decoded

    def drain(self) -> None:
        """Reads what is left, so that the connection can carry another request."""
        for _ in self._raw:
            pass


def _raw_chunks(connection: io.BufferedIOBase, headers: Message) -> Iterator[bytes]:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        yield from _transfer_chunks(connection)
    else:
        yield from _exactly(connection, int(headers.get("Content-Length") or 0))


def _exactly(connection: io.BufferedIOBase, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = connection.read(min(left, READ_BYTES))
        if not piece:
            raise ConnectionError("the client closed the connection within the request body")
        left -= len(piece)
        yield piece


def _transfer_chunks(connection: io.BufferedIOBase) -> Iterator[bytes]:
    while size := _chunk_size(connection):
        yield from _exactly(connection, size)
        connection.readline()
    while connection.readline().strip():  # trailers
        pass


def _chunk_size(connection: io.BufferedIOBase) -> int:
    line = connection.readline().split(b";")[0].strip()
    try:
        return int(line, 16)
    except ValueError:
        raise ConnectionError("a chunk of the request body has no length") from None


def _decoded(raw: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in {"", "identity"}:
        yield from raw
        return
    if encoding not in _DECOMPRESSORS:
        raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Unknown content encoding {encoding!r}")
    try:
        yield from _decompressed(raw, _DECOMPRESSORS[encoding])
    except (zlib.error, RuntimeError, zstandard.ZstdError) as error:
        raise ClickHouseError(
            354, "ZLIB_INFLATE_FAILED", f"Bad {encoding} data: {error}"
        ) from error


def _decompressed(raw: Iterator[bytes], new: Callable[[], Decompressor]) -> Iterator[bytes]:
    frame = new()
    for piece in raw:
        data = piece
        while data:
            if frame.eof:
                frame = new()
            if output := frame.decompress(data):
                yield output
            data = (frame.unused_data or b"") if frame.eof else b""


def parse_form(content: bytes, content_type: str) -> list[FormPart]:
    """Gives the parts of a multipart/form-data body, binary content untouched.

    Args:
        content: the whole body.
        content_type: the header that names the boundary.
    """
    boundary = content_type.partition("boundary=")[2].split(";")[0].strip().strip('"')
    sections = (b"\r\n" + content).split(b"\r\n--" + boundary.encode())
    return [_form_part(section) for section in sections[1:] if not section.startswith(b"--")]


def _form_part(section: bytes) -> FormPart:
    head, _, content = section.partition(b"\r\n\r\n")
    fields = {found["key"]: found["value"] for found in _DISPOSITION.finditer(head.decode())}
    return FormPart(fields.get("name", ""), fields.get("filename"), content)


def read_all(body: RequestBody) -> bytes:
    """Gives a whole body; for SQL and forms, whose size is bounded by what a client can compose."""
    buffer = io.BytesIO()
    for piece in body:
        buffer.write(piece)
    return buffer.getvalue()
