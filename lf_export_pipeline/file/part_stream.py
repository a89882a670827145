"""Cuts bytes into parts of one size and sends them, some at the same time."""

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from lf_export_pipeline.core.stored_objects import UploadedPart

Send = Callable[[int, memoryview], UploadedPart]
Sending = Sequence[Future[UploadedPart]]


class PartStream:
    """The bytes of an object, in order.

    A part is sent as soon as it is full, from the buffer that it was put together in. There is one
    buffer more than parts are sent at the same time, so who writes waits for the bucket.

    Args:
        begun: Called before a part is sent; gives what sends it. It may raise.
        part_bytes: The size of each part but the last.
        concurrency: How many are sent at the same time.

    Attributes:
        position: How many bytes of the object there are so far.
        waited_seconds: How long who writes has waited for the bucket.
    """

    def __init__(self, begun: Callable[[], Send], part_bytes: int, concurrency: int) -> None:
        self.position = 0
        self.waited_seconds = 0.0
        self._begun = begun
        self._part_bytes = part_bytes
        self._buffers_left = concurrency + 1
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._buffer = memoryview(b"")
        self._filled = 0
        self._sending: list[Future[UploadedPart]] = []
        self._threads = ThreadPoolExecutor(concurrency, "send-part")

    def go_to(self, position: int, rest: bytes) -> None:
        """Go on behind these bytes, of which the last fill no part; later ones are void.

        Waits for what is being sent: it would be taken for what is sent in its place.
        """
        wait(self._sending)
        self._sending = []
        self.position = position - len(rest)
        self._filled = 0
        self.write(memoryview(rest))

    def write(self, piece: memoryview) -> None:
        """Append a piece.

        Raises:
            ExportError: A part could not be sent.
        """
        while len(piece):
            if not len(self._buffer):
                self._buffer = self._empty_buffer()
            taken = piece[: self._part_bytes - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            self.position += len(taken)
            piece = piece[len(taken) :]
            if self._filled == self._part_bytes:
                self.send_rest()

    @property
    def rest(self) -> memoryview:
        """The bytes that fill no part yet."""
        return self._buffer[: self._filled]

    def send_rest(self) -> None:
        """Send these; there may only be fewer than of a whole part if they are the last.

        Raises:
            ExportError: A part could not be sent.
        """
        if not self._filled:
            return
        for sent in self._sending:
            if sent.done():
                sent.result()
        send, number = self._begun(), -(-self.position // self._part_bytes)
        self._sending.append(self._threads.submit(self._sent, send, number, self.rest))
        self._buffer, self._filled = memoryview(b""), 0

    def taken(self) -> Sending:
        """The parts since this was asked for the last time."""
        sending, self._sending = self._sending, []
        return sending

    def close(self) -> None:
        """Begin nothing more, wait for what has been begun, and let go of the buffers.

        Who writes and what it writes to know each other, so that Python would free them late; by
        then the next steps have buffers of their own.
        """
        self._threads.shutdown(cancel_futures=True)
        self._free, self._buffer, self._filled = queue.SimpleQueue(), memoryview(b""), 0

    def _empty_buffer(self) -> memoryview:
        if self._buffers_left and self._free.empty():
            self._buffers_left -= 1
            return memoryview(bytearray(self._part_bytes))
        begun = time.monotonic()
        buffer = self._free.get()
        self.waited_seconds += time.monotonic() - begun
        return buffer

    def _sent(self, send: Send, number: int, data: memoryview) -> UploadedPart:
        try:
            return send(number, data)
        finally:
            self._free.put(memoryview(data.obj))
