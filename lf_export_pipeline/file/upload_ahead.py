"""Sends the chunks of a file while the later ones are made."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from lf_export_pipeline.core.query.export_query import SerializedChunk

Sent = tuple[str, str]
"""Of an object: its key and its SHA-256."""

Send = Callable[[Iterable[SerializedChunk]], Sent]

_ABORTING_SECONDS = 10.0


class UploadsAhead:
    """The upload that runs beside the steps of one run. Nobody sees its object before the end.

    It only saves time: whatever happens to it, the step that uploads can do all of it anew, from
    the same chunks.
    """

    def __init__(self, *, is_on: bool = True) -> None:
        self._is_on = is_on
        self._lock = threading.Lock()
        self._current: _UploadAhead | None = None

    def offer(self, plan_folder: str, chunk: SerializedChunk, send: Send) -> None:
        """Send this chunk when those before it have been sent; the first one begins the upload."""
        if not self._is_on:
            return
        with self._lock:
            if self._current is None or self._current.plan_folder != plan_folder:
                self._stop()
                self._current = _UploadAhead(plan_folder, send)
            self._current.chunks.offer(chunk)

    def finished(self, plan_folder: str, chunks: Sequence[SerializedChunk]) -> Sent | None:
        """The object of exactly these chunks, when the last has arrived; None: it was not begun.

        Raises:
            ExportError: As the upload itself.
        """
        with self._lock:
            ahead, self._current = self._current, None
        if ahead is None or ahead.plan_folder != plan_folder or not ahead.chunks.end_with(chunks):
            if ahead is not None:
                ahead.stop()
            return None
        return ahead.result()

    def close(self) -> None:
        """Abort what has not been finished."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._current is not None:
            self._current.stop()
            self._current = None


class ChunksInOrder:
    """Chunks that arrive in any order, for one who takes them in the order of the file."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks: dict[int, SerializedChunk] = {}
        self._count: int | None = None
        self._is_stopped = False

    def offer(self, chunk: SerializedChunk) -> None:
        """Add a chunk."""
        with self._changed:
            self._chunks[chunk.index] = chunk
            self._changed.notify_all()

    def end_with(self, chunks: Sequence[SerializedChunk]) -> bool:
        """Let the taker come to an end behind these chunks; false if others were offered."""
        with self._changed:
            wanted = {chunk.index: chunk for chunk in chunks}
            if any(wanted.get(index) != chunk for index, chunk in self._chunks.items()):
                return False
            self._chunks, self._count = wanted, len(wanted)
            self._changed.notify_all()
            return True

    def stop(self) -> None:
        """Raise ``UploadStoppedError`` where the chunks are taken."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[SerializedChunk]:
        """Each chunk as soon as it is there; ends only after ``end_with``."""
        index = 0
        while (chunk := self._taken(index)) is not None:
            yield chunk
            index += 1

    def _taken(self, index: int) -> SerializedChunk | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or index in self._chunks or index == self._count
            )
            if self._is_stopped:
                raise UploadStoppedError
            return self._chunks.get(index)


class UploadStoppedError(Exception):
    """Nobody wants the object any more."""


class _UploadAhead:
    """One upload in a thread of its own."""

    def __init__(self, plan_folder: str, send: Send) -> None:
        self.plan_folder = plan_folder
        self.chunks = ChunksInOrder()
        self._send = send
        self._sent: Sent | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="upload-ahead", daemon=True)
        self._thread.start()

    def result(self) -> Sent | None:
        """What was sent, when it has arrived; raises what the upload raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._sent

    def stop(self) -> None:
        """Abort it, and give the bucket a moment to hear of that."""
        self.chunks.stop()
        self._thread.join(_ABORTING_SECONDS)

    def _run(self) -> None:
        try:
            self._sent = self._send(self.chunks)
        except BaseException as error:  # noqa: BLE001 - it is raised where the object is wanted
            self._error = error
