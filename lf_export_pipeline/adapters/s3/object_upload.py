"""Writes one object into a bucket, at once or in parts."""

import secrets
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lf_export_pipeline.adapters.s3.checksums import encoded, etag_of, sha256_of
from lf_export_pipeline.adapters.s3.part_buffers import Part, PartBuffers
from lf_export_pipeline.adapters.s3.part_uploads import PartUploads
from lf_export_pipeline.adapters.s3.s3_client import CLIENT_ERRORS
from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.stored_objects import BegunUpload, UploadedPart

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef


@dataclass(frozen=True, slots=True)
class SentParts:
    """An object that the service says it has.

    Attributes:
        parts: As they were taken.
        is_whole: Whether it was put at once.
    """

    parts: tuple[UploadedPart, ...]
    is_whole: bool

    def is_shown_by(self, found: "HeadObjectOutputTypeDef") -> bool:
        """Whether what the service says of an object proves that it is this one."""
        etag, sha256 = etag_of(self.parts), sha256_of(self.parts)
        if self.is_whole:
            (part,) = self.parts
            etag, sha256 = part.etag, encoded(bytes.fromhex(part.sha256))
        if found.get("ChecksumSHA256") == sha256:
            return True
        is_same = found.get("ETag", "").strip('"') == etag
        return is_same and all(part.is_proven for part in self.parts)


class ObjectUpload:
    """The upload of one object.

    Args:
        uploads: To its bucket.
        key: Where.
        content_type: Stored with it.
        concurrency: How many parts are sent at the same time.

    Attributes:
        mark: Stored with it, too, once the sending has begun.
    """

    def __init__(self, uploads: PartUploads, key: str, content_type: str, concurrency: int) -> None:
        self.mark = secrets.token_hex(8)
        self._uploads = uploads
        self._key = key
        self._content_type = content_type
        self._concurrency = concurrency

    def send(self, buffers: PartBuffers) -> SentParts:
        """Everything that the buffers give; nothing is left of what ends early.

        Raises:
            ClientError, BotoCoreError: As the client.
        """
        parts = buffers.filled()
        first = next(parts)
        if len(first.data) < buffers.part_bytes:
            put = self._uploads.put(self._key, self._content_type, first, self.mark)
            return SentParts((put,), is_whole=True)
        return SentParts(self._in_parts(first, parts, buffers), is_whole=False)

    def _in_parts(
        self, first: Part, others: Iterator[Part], buffers: PartBuffers
    ) -> tuple[UploadedPart, ...]:
        begun = self._uploads.begin(self._key, self._content_type)
        self.mark = begun.mark

        def send(number: int, part: Part) -> UploadedPart:
            try:
                return self._uploads.send(begun, number, part)
            finally:
                buffers.give_back(part)

        with self._aborted_early(begun), _threads(self._concurrency) as threads:
            sent: list[UploadedPart] = []
            sending = deque([threads.submit(send, 1, first)])
            for number, part in enumerate(others, 2):
                while sending and sending[0].done():
                    sent.append(sending.popleft().result())
                sending.append(threads.submit(send, number, part))
            sent += [waiting.result() for waiting in sending]
            self._uploads.complete(begun, sent)
            return tuple(sent)

    @contextmanager
    def _aborted_early(self, begun: BegunUpload) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(ExportError, *CLIENT_ERRORS):  # what has ended the upload says more
                self._uploads.abort(begun)
            raise


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more when the context is left early."""
    with ThreadPoolExecutor(count, "upload-part") as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
