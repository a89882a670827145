"""Arrow streams from a socket: complete or an error, and text that is valid UTF-8."""

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Protocol

import pyarrow as pa
from urllib3.exceptions import HTTPError

_M_ARENA_MAX = -8  # from malloc.h


def _keep_memory_small() -> None:
    """One system heap for all threads, for Arrow too.

    Arrow's own allocator keeps what it once had, and so does each heap that the system's allocator
    makes for a thread: together a hundred and fifty megabytes in every exporting process. The
    kernel has less to do as well, since one heap finds memory that another thread has given back.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError, OSError):  # only the GNU library has this
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


_keep_memory_small()

BATCH_BYTES = 4 * 1024 * 1024
"""Enough for the fixed costs of a batch not to matter, and little beside what a process needs."""

_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_TAIL_BYTES = 32 * 1024
_BROKEN = (pa.ArrowException, HTTPError, OSError, EOFError)


class Readable(Protocol):
    """What is needed of a response: what has arrived, without waiting for more."""

    def read1(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...


class StreamCutError(Exception):
    """The stream ended before its end marker; ``tail`` is the last of what arrived."""

    def __init__(self, tail: bytes) -> None:
        super().__init__("The Arrow stream was cut off.")
        self.tail = tail


class _Tap:
    """A file for Arrow that remembers the last bytes that went through it.

    It asks the connection for what is there (``read1``): a whole-size read of a connection that
    breaks would lose the bytes before the break, and with them the server's reason.
    """

    closed = False  # pyarrow asks

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.tail = b""

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size > 0 and (piece := self._source.read1(size)):
            pieces.append(piece)
            size -= len(piece)
            self.tail = (self.tail + piece[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def drain(self) -> None:
        with suppress(*_BROKEN):
            while self.read(1 << 20):
                pass


def read_stream(source: Readable) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow stream.

    Arrow itself takes a connection that closes between two batches for the end of the data. A
    ClickHouse query can fail after "200 OK", so the end marker must really have arrived.

    Raises:
        StreamCutError: the stream is not complete, or is not Arrow from some byte on.
    """
    tap = _Tap(source)
    try:
        for batch in merged(pa.ipc.open_stream(tap)):
            yield with_valid_text(batch)
    except _BROKEN as error:
        tap.drain()
        raise StreamCutError(tap.tail) from error
    tap.drain()
    if not tap.tail.endswith(_END_OF_STREAM):
        raise StreamCutError(tap.tail)


def merged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of at least ``BATCH_BYTES``, save the last; none is empty.

    ClickHouse sends blocks as they come, down to a few rows each, and whatever is done with a batch
    costs a millisecond per thirty columns before its first row.
    """
    pending: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if batch.num_rows:
            pending.append(batch)
            size += batch.nbytes
        if size >= BATCH_BYTES:
            yield _one_batch(pending)
            pending, size = [], 0
    if pending:
        yield _one_batch(pending)


def _one_batch(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def with_valid_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with text columns of type ``string`` whose bytes are UTF-8.

    ClickHouse strings hold any bytes. What is no text becomes U+FFFD, as in browsers and Node.
    Sound batches cost one pass of Arrow's own validation.
    """
    columns = [_valid(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _valid(column: pa.Array) -> pa.Array:
    if pa.types.is_binary(column.type):
        return _decoded(column)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return _decoded(column)
    return column


def _decoded(column: pa.Array) -> pa.Array:
    """The array with each invalid text repaired, at any depth."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        raw = column.cast(pa.binary()).to_pylist()
        texts = [None if item is None else item.decode("utf-8", "replace") for item in raw]
        return pa.array(texts, pa.string())
    if pa.types.is_map(kind):
        keys, items = _decoded(column.keys), _decoded(column.items)
        return pa.MapArray.from_arrays(column.offsets, keys, items)  # no map of a server is null
    if pa.types.is_list(kind):
        values = _decoded(column.flatten())
        return pa.ListArray.from_arrays(_offsets(column), values, mask=column.is_null())
    if pa.types.is_struct(kind):
        fields = [_decoded(column.field(index)) for index in range(kind.num_fields)]
        names = [kind.field(index).name for index in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, names=names, mask=column.is_null())
    return column


def _offsets(column: pa.ListArray) -> pa.Array:
    """Offsets into ``column.flatten()``, which leaves out what null lists and slices hide."""
    lengths = column.value_lengths().fill_null(0).to_pylist()
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    return pa.array(offsets, pa.int32())
