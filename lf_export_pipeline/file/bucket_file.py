"""A file whose bytes go into the bucket while they are read (``upload_note.py``)."""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from lf_export_pipeline.core.errors import (
    ExportError,
    TimeLimitError,
    TransientError,
    UploadLostError,
)
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.query.chunk_plan import (
    MEBIBYTE,
    OBJECT_MAX_BYTES,
    PART_MAX_COUNT,
    part_bytes,
)
from lf_export_pipeline.core.query.export_query import (
    Chunk,
    ChunkList,
    ExportPlan,
    SerializedChunk,
    SpooledBytes,
)
from lf_export_pipeline.core.stored_objects import sum_of_parts
from lf_export_pipeline.file.assembled_file import end_of, writer_of
from lf_export_pipeline.file.attempt_folder import CHUNKS, AttemptFolder
from lf_export_pipeline.file.chunk_sink import ChunkSink
from lf_export_pipeline.file.object_name import ObjectName
from lf_export_pipeline.file.part_stream import PartStream, Send, Sending
from lf_export_pipeline.file.sent_object import SentObject
from lf_export_pipeline.file.spooled_bytes import keep
from lf_export_pipeline.file.upload_ledger import UploadLedger
from lf_export_pipeline.file.upload_note import SentChunk
from lf_export_pipeline.settings import Settings

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.compression import Compressor

WAITED_MAX_SECONDS = 10.0
"""A query that was held up for longer than that is not itself to blame for taking too long."""


class BucketFile:
    """The object of a plan, made by one process, its chunks in their order.

    A chunk is finished when the bucket has taken the parts that it has filled and that is noted.
    Meanwhile the next one is read.
    """

    def __init__(
        self, plan: ExportPlan, folder: AttemptFolder, files: ObjectStore, settings: Settings
    ) -> None:
        prefix = settings.langfuse_s3_batch_export_prefix
        self._plan = plan
        self._folder = AttemptFolder(folder.spool, plan.folder)
        self._files = files
        self._writer = writer_of(plan.query)
        self._name = ObjectName(plan.query.request, folder, files, prefix, self._writer.extension)
        self._ledger = UploadLedger(plan, folder, files, prefix, _part_bytes(plan, settings))
        self._finished = [sent.part for sent in self._ledger.sent if sent.part]
        self._ends_at = self._ledger.ends_at
        self._stream = PartStream(
            self._begun,
            self._ledger.note.part_bytes,
            settings.langfuse_s3_upload_max_concurrent_parts,
        )
        self._stream.go_to(self._ends_at, self._ledger.rest())
        self._notes = ThreadPoolExecutor(1, "note-parts")
        self._noting: Future[None] | None = None

    @classmethod
    @contextmanager
    def opened(
        cls, plan: ExportPlan, folder: AttemptFolder, files: ObjectStore, settings: Settings
    ) -> Iterator["BucketFile"]:
        """The file as earlier runs have left it; leaving the context well finishes its chunks.

        Raises:
            ExportError: The bucket does not take what it is sent.
        """
        file = cls(plan, folder, files, settings)
        try:
            with closing(file):
                yield file
                file.settle()
        except UploadLostError:
            file.give_up()
            raise

    def finished(self, index: int) -> SerializedChunk | None:
        """The chunk, if all that comes before its end has been sent."""
        return self._finished[index] if index < len(self._finished) else None

    def offer(self, chunk: Chunk, serialized: SerializedChunk) -> None:
        """Nothing: it is in the bucket."""

    def missing_before(self, index: int) -> Sequence[Chunk]:
        """The chunks that have to be sent first: a step before may be waiting for another try."""
        known = self._folder.read(CHUNKS, ChunkList)
        return known.chunks[len(self._finished) : index] if known else ()

    @contextmanager
    def rows_of(self, index: int, compressor: "Compressor | None") -> Iterator["ObjectSink"]:
        """Takes the rows of the next chunk; what was sent of it before is void.

        Raises:
            TransientError: Another chunk has to be sent first, or the bucket has held up the query.
        """
        if index != len(self._finished):
            raise TransientError(f"Chunk {index} comes before {len(self._finished)} is sent.")
        if self._stream.position != self._ends_at:
            self._go_back()
        has_rows = any(chunk.rows for chunk in self._finished)
        lead = self._writer.separator if has_rows else self._writer.prefix
        with self._not_held_up():
            sink = ObjectSink(self._stream, lead, compressor)
            yield sink
            sink.finish()

    def finish(self, chunk: SerializedChunk) -> None:
        """Note the chunk when the bucket has taken it; those before it have been noted."""
        self.settle()
        self._note(chunk, self._kept_rest(chunk.index))
        self._finished.append(chunk)

    def sent(self, chunks: Sequence[SerializedChunk]) -> SentObject:
        """The object of all chunks, complete and proven.

        Raises:
            ExportError: The bucket has not taken it.
        """
        if not self._ledger.is_ended:
            self._stream.write(memoryview(end_of(self._writer, chunks, self._folder.spool)))
            self.settle()
            if self._ledger.note.begun is None:
                return self._put()
            self._stream.send_rest()
            self._note(None, None)
            self.settle()
        note, parts, size = self._ledger.note, self._ledger.parts, self._ledger.ends_at
        assert note.begun is not None  # noqa: S101 - there are parts, or it was put at once
        self._files.complete(note.begun, parts, note.part_bytes, size)
        return SentObject(
            note.begun.key,
            size,
            sha256_of_parts=sum_of_parts(parts).hex(),
            part_bytes=note.part_bytes,
        )

    def settle(self) -> None:
        """Wait until all finished chunks are noted.

        Raises:
            ExportError: One of them is not.
        """
        noting, self._noting = self._noting, None
        if noting is not None:
            noting.result()

    def give_up(self) -> None:
        """Let the next try begin a new upload, if that can be noted."""
        with suppress(ExportError):
            self._ledger.give_up(self._ledger.note.part_bytes)

    def close(self) -> None:
        """End the threads; a chunk that was to be noted still is."""
        self._notes.shutdown()
        self._stream.close()

    def _put(self) -> SentObject:
        """A file that fills no part, in one request."""
        key, data = self._key(), self._stream.rest
        source, content_type = io.BytesIO(data), self._writer.content_type
        sha256 = self._files.upload(key, source, content_type, len(data)).sha256
        return SentObject(key, len(data), sha256)

    def _begun(self) -> Send:
        """What sends a part; the upload begins with the first one."""
        note = self._ledger.note
        if self._stream.position > PART_MAX_COUNT * note.part_bytes:
            self._ledger.give_up(2 * note.part_bytes)
            raise TransientError("The file is longer than it was estimated; its parts grow.")
        if note.begun is None:
            begun = self._files.begin(self._key(), self._writer.content_type)
            self._ledger.note_begun(begun)
            return partial(self._files.send_part, begun)
        return partial(self._files.send_part, note.begun)

    def _key(self) -> str:
        """The object's key; uploads to it that are under way are aborted, but not another run's."""
        self._ledger.require_hold()
        return self._name.key()

    def _go_back(self) -> None:
        self.settle()
        self._stream.go_to(self._ledger.ends_at, self._ledger.rest())

    def _kept_rest(self, index: int) -> SpooledBytes | None:
        """That of the chunk before is kept until this one is noted."""
        location = f"{self._folder.path}/rest-{index % 2}"
        rest = self._stream.rest
        return keep(self._folder.spool, location, rest) if rest else None

    def _note(self, chunk: SerializedChunk | None, rest: SpooledBytes | None) -> None:
        sent = SentChunk(
            token=self._ledger.note.token,
            part=chunk,
            begins_at=self._ends_at,
            ends_at=self._stream.position,
            parts=[],
            rest=rest,
        )
        self._ends_at = sent.ends_at
        self._noting = self._notes.submit(self._noted, sent, self._stream.taken())

    def _noted(self, sent: SentChunk, sending: Sending) -> None:
        parts = [part.result() for part in sending]
        self._ledger.add(sent.model_copy(update={"parts": parts}))

    @contextmanager
    def _not_held_up(self) -> Iterator[None]:
        before = self._stream.waited_seconds
        try:
            yield
        except TimeLimitError as error:
            waited = self._stream.waited_seconds - before
            if waited < WAITED_MAX_SECONDS:
                raise
            raise TransientError(
                f"A query had to wait {waited:,.0f} s for the bucket, and ran out of time. Where "
                "the bucket is that slow, LF_EXPORT_PARTS=spool reads without waiting for it."
            ) from error


class ObjectSink(ChunkSink):
    """The rows of a chunk on their way into the bucket.

    Args:
        stream: The object.
        lead: What stands before the first row.
        compressor: What rows go through.
    """

    def __init__(self, stream: PartStream, lead: bytes, compressor: "Compressor | None") -> None:
        super().__init__(self._append, compressor)
        self._stream = stream
        self._lead = lead

    def _append(self, piece: memoryview) -> None:
        self._stream.write(memoryview(self._lead))
        self._lead = b""
        self._stream.write(piece)


def _part_bytes(plan: ExportPlan, settings: Settings) -> int:
    preferred = settings.batch_export_s3_part_size_mib * MEBIBYTE
    return part_bytes(min(plan.estimated_bytes, OBJECT_MAX_BYTES), preferred)
