import gzip
import os
import socket
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard

from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError
from lf_export_localstack.clickhouse_server.framing import (
    HELD_BACK_BYTES,
    ChunkedBody,
    choose_encoding,
    exception_block,
)


def received(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


def unchunked(wire: bytes) -> tuple[bytes, bool]:
    body = b""
    while wire:
        size, _, wire = wire.partition(b"\r\n")
        if size == b"0":
            return body, True
        body, wire = body + wire[: int(size, 16)], wire[int(size, 16) + 2 :]
    return body, False


@pytest.mark.parametrize(
    ("encoding", "decode"),
    [
        (None, bytes),
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("lz4", lz4.frame.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
@pytest.mark.parametrize("size", [0, 1, HELD_BACK_BYTES, HELD_BACK_BYTES + 1, 50_000])
def test_a_finished_body_is_what_went_in(
    encoding: str | None, decode: Callable[[bytes], bytes], size: int
) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    data = os.urandom(size)
    os.write(writer, data)
    os.close(writer)
    body = ChunkedBody(ours, encoding)
    body.feed(b"begin")
    while body.feed_from(reader):
        pass
    body.finish()
    ours.close()
    content, complete = unchunked(received(theirs))
    assert complete
    assert decode(content) == b"begin" + data
    os.close(reader)
    theirs.close()


def test_an_aborted_body_ends_with_the_exception_and_without_the_held_bytes() -> None:
    ours, theirs = socket.socketpair()
    body = ChunkedBody(ours, None)
    body.feed(b"x" * HELD_BACK_BYTES + b"END")
    body.abort(exception_block("Code: 1", "tag"))
    ours.close()
    content, complete = unchunked(received(theirs))
    theirs.close()
    assert not complete
    assert content == b"xxx\r\n__exception__\r\ntag\r\nCode: 1\n7 tag\r\n__exception__\r\n"


def test_the_first_known_encoding_is_chosen() -> None:
    assert choose_encoding("br, gzip;q=0.5, lz4") == "lz4"
    assert choose_encoding("identity") is None


def test_the_engines_words_around_an_exception_are_dropped() -> None:
    told = "Streaming insert finish failed: Code: 117. DB::Exception: Too short. (INCORRECT_DATA)"
    error = ClickHouseError.from_engine(f"{told} (version 26.9.2.1)")
    assert (error.code, error.name, error.status) == (117, "INCORRECT_DATA", 400)
    assert error.text("1.2") == (
        "Code: 117. DB::Exception: Too short. (INCORRECT_DATA) (version 1.2)"
    )
    assert ClickHouseError.from_engine("no code").name == "UNKNOWN_EXCEPTION"
