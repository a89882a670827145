"""Writes one object into a bucket, at once or in parts."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.s3.checksums import SentPart, encoded, etag_of, sha256_of
from lf_export_pipeline.adapters.s3.part_buffers import Part, PartBody, PartBuffers
from lf_export_pipeline.adapters.s3.s3_answers import refuses_checksums
from lf_export_pipeline.adapters.s3.s3_client import CLIENT_ERRORS
from lf_export_pipeline.core.errors import ExportError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

SHA256 = "SHA256"


@dataclass(frozen=True, slots=True)
class SentObject:
    """An object that the service says it has.

    Attributes:
        parts: As they were taken.
        size: In bytes.
        sha256: Of the whole, in hexadecimal digits.
        is_whole: Whether it was put at once.
    """

    parts: tuple[SentPart, ...]
    size: int
    sha256: str
    is_whole: bool

    def is_shown_by(self, found: "HeadObjectOutputTypeDef") -> bool:
        """Whether what the service says of an object proves that it is this one."""
        etag, sha256 = etag_of(self.parts), sha256_of(self.parts)
        if self.is_whole:
            (part,) = self.parts
            etag, sha256 = part.etag, encoded(part.sha256) if part.sha256 else None
        if sha256 is not None and found.get("ChecksumSHA256") == sha256:
            return True
        is_same = found.get("ETag", "").strip('"') == etag
        return is_same and all(part.is_proven for part in self.parts)


class ObjectUpload:
    """The upload of one object.

    Args:
        client: Of the service.
        place: Bucket and key, as botocore names them.
        options: What is stored with the object, and how it is encrypted.
        concurrency: How many parts are sent at the same time.
    """

    def __init__(
        self, client: "S3Client", place: dict[str, str], options: dict[str, Any], concurrency: int
    ) -> None:
        self._client: Any = client  # its typed parameters cannot be put together
        self._place = place
        self._options = options
        self._concurrency = concurrency

    def send(self, buffers: PartBuffers) -> SentObject:
        """Everything that the buffers give; nothing is left of what ends early.

        Raises:
            ClientError, BotoCoreError: As the client.
        """
        parts = buffers.filled()
        first = next(parts)
        is_whole = len(first.data) < buffers.part_bytes
        sent = (self._put(first),) if is_whole else self._in_parts(first, parts, buffers)
        return SentObject(sent, buffers.bytes_taken, buffers.sha256, is_whole)

    def _put(self, part: Part) -> SentPart:
        put = partial(self._client.put_object, **self._place, **self._options)
        try:
            return _sent(put, 1, part, is_told=True)
        except ClientError as error:
            if not refuses_checksums(error):
                raise
            return _sent(put, 1, part, is_told=False)

    def _in_parts(
        self, first: Part, others: Iterator[Part], buffers: PartBuffers
    ) -> tuple[SentPart, ...]:
        begun = self._begin()
        place = {**self._place, "UploadId": begun["UploadId"]}
        is_told = begun.get("ChecksumAlgorithm") == SHA256

        def send(number: int, part: Part) -> SentPart:
            put = partial(self._client.upload_part, **place, PartNumber=number)
            try:
                return _sent(put, number, part, is_told=is_told)
            finally:
                buffers.give_back(part)

        with self._aborted_early(place), _threads(self._concurrency) as threads:
            sent: list[SentPart] = []
            sending = deque([threads.submit(send, 1, first)])
            for number, part in enumerate(others, 2):
                while sending and sending[0].done():
                    sent.append(sending.popleft().result())
                sending.append(threads.submit(send, number, part))
            sent += [waiting.result() for waiting in sending]
            parts = {"Parts": [_completed(part) for part in sent]}
            self._client.complete_multipart_upload(**place, MultipartUpload=parts)
            return tuple(sent)

    def _begin(self) -> dict[str, Any]:
        """The service's answer says whether it knows the checksum; not all take the question."""
        begin = self._client.create_multipart_upload
        try:
            answer = begin(**self._place, **self._options, ChecksumAlgorithm=SHA256)
        except ClientError as error:
            if not refuses_checksums(error):
                raise
            answer = begin(**self._place, **self._options)
        return dict(answer)

    @contextmanager
    def _aborted_early(self, place: dict[str, str]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(ExportError, *CLIENT_ERRORS):  # what has ended the upload says more
                self._client.abort_multipart_upload(**place)
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


def _sent(put: Callable[..., Any], number: int, part: Part, *, is_told: bool) -> SentPart:
    checksum = {"ChecksumSHA256": encoded(part.sha256)} if is_told else {}
    answer = put(Body=PartBody(part), **checksum)
    return SentPart.answered(number, part, answer, is_told=is_told)


def _completed(part: SentPart) -> dict[str, Any]:
    checksum = {"ChecksumSHA256": encoded(part.sha256)} if part.sha256 else {}
    return {"PartNumber": part.number, "ETag": f'"{part.etag}"', **checksum}
