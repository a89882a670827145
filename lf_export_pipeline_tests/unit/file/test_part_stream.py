import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.query.chunk_plan import MEBIBYTE
from lf_export_pipeline.core.stored_objects import UploadedPart
from lf_export_pipeline.file.part_stream import PartStream, Send
from lf_export_pipeline_tests.effort import examples

SECONDS = 10
EXAMPLES = examples(200)


class Bucket:
    """Takes parts; ``memory`` are the buffers that they came in."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.memory: set[int] = set()
        self.begun = 0

    def begin(self) -> Send:
        self.begun += 1
        return self.send

    def send(self, number: int, data: memoryview) -> UploadedPart:
        self.parts[number] = bytes(data)
        self.memory.add(id(data.obj))
        return UploadedPart(number, etag=f"etag {number}", sha256="", is_proven=True)


@contextmanager
def streamed(bucket: Bucket, part_bytes: int, concurrency: int = 2) -> Iterator[PartStream]:
    stream = PartStream(bucket.begin, part_bytes, concurrency)
    try:
        yield stream
    finally:
        stream.close()


def pieces_of(whole: bytes, part_bytes: int) -> dict[int, bytes]:
    starts = range(0, len(whole), part_bytes)
    return {number: whole[at : at + part_bytes] for number, at in enumerate(starts, 1)}


@settings(max_examples=EXAMPLES)
@given(pieces=st.lists(st.binary(max_size=50)), part_bytes=st.integers(1, 40))
def test_parts_are_full_but_the_last_however_the_bytes_come(
    pieces: list[bytes], part_bytes: int
) -> None:
    bucket, whole = Bucket(), b"".join(pieces)
    with streamed(bucket, part_bytes) as stream:
        for piece in pieces:
            stream.write(memoryview(piece))
        full = len(whole) // part_bytes
        assert (stream.position, bytes(stream.rest)) == (len(whole), whole[full * part_bytes :])
        sent = [*stream.taken()]
        assert len(sent) == full
        stream.send_rest()
        sent += stream.taken()
        assert [part.result().number for part in sent] == [*range(1, len(sent) + 1)]
    assert bucket.parts == pieces_of(whole, part_bytes)
    assert bucket.begun == len(bucket.parts)
    assert len(bucket.memory) <= 3


@settings(max_examples=EXAMPLES)
@given(
    first=st.binary(max_size=60),
    void=st.binary(max_size=60),
    second=st.binary(max_size=60),
    part_bytes=st.integers(1, 20),
)
def test_what_is_sent_after_going_back_takes_the_place_of_what_was_sent_before(
    first: bytes, void: bytes, second: bytes, part_bytes: int
) -> None:
    bucket = Bucket()
    with streamed(bucket, part_bytes) as stream:
        stream.write(memoryview(first))
        rest, full = bytes(stream.rest), stream.taken()
        stream.write(memoryview(void))
        stream.go_to(len(first), rest)
        stream.write(memoryview(second))
        stream.send_rest()
        taken = [part.result().number for part in (*full, *stream.taken())]
    expected = pieces_of(first + second, part_bytes)
    assert taken == [*expected]
    assert {number: bucket.parts[number] for number in expected} == expected


def test_who_writes_waits_for_the_bucket() -> None:
    free, waiting = threading.Event(), threading.Semaphore(0)

    class SlowBucket(Bucket):
        def send(self, number: int, data: memoryview) -> UploadedPart:
            waiting.release()
            assert free.wait(SECONDS)
            return super().send(number, data)

    bucket = SlowBucket()
    with streamed(bucket, 10) as stream:
        writing = threading.Thread(target=stream.write, args=(memoryview(bytes(100)),))
        writing.start()
        for _ in range(2):
            assert waiting.acquire(timeout=SECONDS)
        assert stream.position <= 30
        free.set()
        writing.join(SECONDS)
        for part in stream.taken():
            part.result(SECONDS)
    assert bucket.parts == pieces_of(bytes(100), 10)
    assert len(bucket.memory) <= 3
    assert stream.waited_seconds > 0


def test_a_part_that_is_not_taken_stops_who_writes() -> None:
    class BrokenBucket(Bucket):
        def send(self, number: int, data: memoryview) -> UploadedPart:
            raise TransientError(f"No part {number}, {len(data)} bytes.")

    with streamed(BrokenBucket(), 10) as stream, pytest.raises(TransientError, match="No part 1,"):
        stream.write(memoryview(bytes(1000)))


def test_a_stream_that_is_closed_holds_no_buffer() -> None:
    """Each step of a run has one, and what is left of it may be freed late."""

    def sent(number: int, data: memoryview) -> UploadedPart:
        return UploadedPart(number, etag=str(len(data)), sha256="", is_proven=True)

    tracemalloc.start()
    try:
        stream = PartStream(lambda: sent, MEBIBYTE, 2)
        stream.write(memoryview(bytes(5 * MEBIBYTE + 1)))
        assert tracemalloc.get_traced_memory()[0] > MEBIBYTE
        stream.close()
        assert tracemalloc.get_traced_memory()[0] < MEBIBYTE
    finally:
        tracemalloc.stop()
