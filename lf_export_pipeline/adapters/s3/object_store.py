"""The bucket of the finished files."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from boto3.exceptions import RetriesExceededError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.s3.doubts import doubts_about
from lf_export_pipeline.adapters.s3.links import content_disposition, keys_of_link
from lf_export_pipeline.adapters.s3.multipart_uploads import abort_upload, incomplete_uploads
from lf_export_pipeline.adapters.s3.object_upload import ObjectUpload, SentParts
from lf_export_pipeline.adapters.s3.part_buffers import Part, PartBuffers
from lf_export_pipeline.adapters.s3.part_uploads import PartUploads
from lf_export_pipeline.adapters.s3.s3_answers import status_of
from lf_export_pipeline.adapters.s3.s3_client import (
    CLIENT_ERRORS,
    encryption_of,
    head_of,
    raise_mapped,
    s3_client,
    s3_errors,
    trust_of_links,
)
from lf_export_pipeline.core.errors import ConfigurationError, TransientError, UploadLostError
from lf_export_pipeline.core.ports import ByteSource
from lf_export_pipeline.core.query.chunk_plan import MEBIBYTE, OBJECT_MAX_BYTES, part_bytes
from lf_export_pipeline.core.stored_objects import (
    BegunUpload,
    IncompleteUpload,
    StoredObject,
    UploadedObject,
    UploadedPart,
)
from lf_export_pipeline.settings.s3 import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_OTHER_BYTES = "The bucket holds other bytes than those that were sent."
_DOWNLOAD = TransferConfig(max_concurrency=4, max_io_queue=100)
"""What waits for the disk are at most 100 pieces of 256 KiB; boto3 would take ten times as many."""


class S3ObjectStore:
    """A ``ObjectStore`` on AWS S3 or a compatible service. Threads may share it.

    Nothing is connected before the first use, so a missing bucket is said by the first export that
    needs it.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings

    def upload(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        """Write an object; nothing appears under the key unless all of it was written.

        Some parts are sent at the same time; memory is bounded by ``concurrent parts + 1`` parts.
        Whatever ends the upload early, an interrupt too, aborts it on the server. An exception out
        of the source arrives as it is.

        Args:
            key: The key, prefix included.
            source: The object's bytes in order; read once.
            content_type: Stored with the object.
            expected_bytes: Sizes the parts, so that 10,000 are enough. An estimate will do.

        Returns:
            The object whose bytes were proven to be those that were sent.

        Raises:
            TransientError: the service failed, or holds other bytes than those that were sent.
            ConfigurationError: the bucket or its credentials are wrong.
        """
        concurrency = self._settings.langfuse_s3_upload_max_concurrent_parts
        size = part_bytes(expected_bytes, self._settings.batch_export_s3_part_size_mib * MEBIBYTE)
        buffers = PartBuffers(source, size, concurrency + 1)
        upload = ObjectUpload(self._uploads, key, content_type, concurrency)
        sent = None
        try:
            sent = upload.send(buffers)
        except CLIENT_ERRORS as error:
            # The answer to the last request may be lost, and its repetition be refused.
            if not self._bears(key, upload.mark):
                raise_mapped(error)
        stored = self._stored(key, buffers.bytes_taken)
        is_shown = sent is not None and sent.is_shown_by(stored)
        if not is_shown and self._sha256s_read_back(key)[0] != buffers.sha256:
            raise TransientError(_OTHER_BYTES)
        etag = stored.get("ETag", "").strip('"')
        return UploadedObject(buffers.sha256, buffers.bytes_taken, etag)

    def begin(self, key: str, content_type: str) -> BegunUpload:
        """Begin an upload whose parts are sent one by one; nothing appears before it is complete.

        Raises:
            ExportError: The service does not.
        """
        with s3_errors():
            return self._uploads.begin(key, content_type)

    def send_part(self, upload: BegunUpload, number: int, data: memoryview) -> UploadedPart:
        """Send a part; one that is sent again takes the place of the one before.

        Raises:
            ExportError: The service has not taken it.
        """
        with s3_errors():
            return self._uploads.send(upload, number, Part(data, hashlib.sha256(data).digest()))

    def listed_parts(self, upload: BegunUpload) -> set[tuple[int, str]] | None:
        """Numbers and ETags of the parts that are there; None: the upload has ended.

        Raises:
            AccessRefusedError: A policy does not let parts be listed, or the service cannot do it.
            ExportError: The service does not answer.
        """
        with s3_errors():
            return self._uploads.listed(upload)

    def is_complete(self, upload: BegunUpload) -> bool:
        """Whether the object under the key is that of this upload."""
        return self._bears(upload.key, upload.mark)

    def complete(
        self, upload: BegunUpload, parts: Sequence[UploadedPart], part_bytes: int, size: int
    ) -> None:
        """Put the parts together, unless that has been done, and prove that the bucket has them.

        Args:
            upload: Whose.
            parts: All of them, in their order.
            part_bytes: The size of each but the last.
            size: Of the object.

        Raises:
            UploadLostError: The service holds other bytes than those that were sent.
            TransientError: It failed.
            ConfigurationError: The bucket or its credentials are wrong.
        """
        try:
            self._uploads.complete(upload, parts)
        except CLIENT_ERRORS as error:
            # As above; or it was completed by a process that was killed before it could say so.
            if not self._bears(upload.key, upload.mark):
                raise_mapped(error)
        sent = SentParts(tuple(parts), is_whole=False)
        if not sent.is_shown_by(self._stored(upload.key, size)):
            found = self._sha256s_read_back(upload.key, part_bytes)
            if found != [part.sha256 for part in parts]:
                raise UploadLostError(_OTHER_BYTES)

    def _stored(self, key: str, size: int) -> "HeadObjectOutputTypeDef":
        """What the service says of an object, with its checksum where it knows one.

        Raises:
            UploadLostError: The size is another.
        """
        stored = head_of(self._client, self.bucket, key, with_checksum=True)
        if stored is None or stored["ContentLength"] != size:
            raise UploadLostError(
                f"The bucket holds {stored['ContentLength'] if stored else 'none'} of the "
                f"{size} bytes that were sent."
            )
        return stored

    def _sha256s_read_back(self, key: str, piece_bytes: int = OBJECT_MAX_BYTES) -> list[str]:
        """Of each so many bytes of the object, in hexadecimal digits."""
        digests, left = [hashlib.sha256()], piece_bytes
        with s3_errors():
            body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
            while data := body.read(min(MEBIBYTE, left or MEBIBYTE)):
                if not left:
                    digests.append(hashlib.sha256())
                    left = piece_bytes
                digests[-1].update(data)
                left -= len(data)
        return [digest.hexdigest() for digest in digests]

    def download(self, key: str, path: Path, progress: Callable[[int], None]) -> None:
        """Write the object to a file, which appears under its name only when it is whole.

        Parts are fetched side by side and written as they come; one that breaks off is fetched
        again.

        Args:
            key: Of the object.
            path: The file; one that is there is replaced.
            progress: Told of each number of bytes that has come, by several threads.

        Raises:
            TransientError: The service failed.
            ConfigurationError: The bucket or its credentials are wrong.
            OSError: The file cannot be written.
        """
        with s3_errors():
            try:
                self._client.download_file(
                    self.bucket, key, str(path), Callback=progress, Config=_DOWNLOAD
                )
            except RetriesExceededError as error:
                raise TransientError(
                    "The bucket's service broke the download off several times; try it again."
                ) from error

    def head(self, key: str) -> StoredObject | None:
        """The object, if it is there."""
        found = head_of(self._client, self.bucket, key)
        if found is None:
            return None
        etag = found.get("ETag", "").strip('"')
        return StoredObject(key, found["ContentLength"], found.get("ContentType"), etag)

    def read(self, key: str) -> bytes | None:
        """The bytes of a small object; None: there is none."""
        with s3_errors():
            try:
                return self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with a prefix, in the order of their keys."""
        with s3_errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for each in page.get("Contents", []):
                    etag = each.get("ETag", "").strip('"')
                    yield StoredObject(each["Key"], each["Size"], None, etag)

    def folders(self, prefix: str) -> Iterator[str]:
        """What stands between a prefix and the next slash, each once."""
        with s3_errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                for each in page.get("CommonPrefixes", []):
                    yield each["Prefix"].removeprefix(prefix).rstrip("/")

    def signed_url(self, key: str, expires_in: timedelta, file_name: str) -> str:
        """A link that downloads the object under a name, for the external endpoint.

        A secret: whoever has it has the file.
        """
        with s3_errors():
            return self._signer.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.bucket,
                    "Key": key,
                    "ResponseContentDisposition": content_disposition(file_name),
                },
                ExpiresIn=int(expires_in.total_seconds()),
            )

    def keys_of_link(self, url: str) -> Iterator[str]:
        """The keys that a link may be one to, now or by the endpoint of before."""
        return keys_of_link(url, self._settings)

    def trust_of_links(self) -> SSLContext:
        """Whose certificates are good for the host of a link."""
        return trust_of_links(self._settings)

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        with s3_errors():
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def incomplete_uploads(self, prefix: str) -> list[IncompleteUpload]:
        """What has been begun under keys with this prefix and not been finished."""
        return incomplete_uploads(self._client, self.bucket, prefix)

    def abort(self, upload: IncompleteUpload | BegunUpload) -> None:
        """Throw away the parts; an upload that has ended meanwhile is no error."""
        abort_upload(self._client, self.bucket, upload)

    def doubts(self, prefix: str) -> Iterator[str]:
        """What exports can do without and this bucket does not give: a sentence each."""
        return doubts_about(self, self._client, self._settings, prefix)

    @property
    def bucket(self) -> str:
        """The bucket's name, or the sentence that there is none."""
        if not self._settings.langfuse_s3_batch_export_bucket:
            raise ConfigurationError(
                "No S3 bucket is configured for exports; set LANGFUSE_S3_BATCH_EXPORT_BUCKET."
            )
        return self._settings.langfuse_s3_batch_export_bucket

    @property
    def service(self) -> str:
        """Host and port of the endpoint; nothing: AWS, whatever the region."""
        endpoint = self._settings.langfuse_s3_batch_export_endpoint
        return urlsplit(endpoint or "").netloc.lower()

    @property
    def encryption(self) -> str:
        """The settings of it, one behind the other; nothing: as the bucket does by itself."""
        return " ".join(encryption_of(self._settings).values())

    def of_bucket(self, bucket: str) -> "S3ObjectStore":
        """Another bucket of the same service, for the same user."""
        changed = {"langfuse_s3_batch_export_bucket": bucket}
        return S3ObjectStore(self._settings.model_copy(update=changed))

    @cached_property
    def _client(self) -> "S3Client":
        endpoint = self._settings.langfuse_s3_batch_export_endpoint
        return s3_client(self._settings, self.bucket, endpoint)

    @cached_property
    def _signer(self) -> "S3Client":
        external = self._settings.langfuse_s3_batch_export_external_endpoint
        return s3_client(self._settings, self.bucket, external) if external else self._client

    @cached_property
    def _uploads(self) -> PartUploads:
        return PartUploads(self._client, self.bucket, encryption_of(self._settings))

    def _bears(self, key: str, mark: str) -> bool:
        """Whether the object that is there is the one of this upload."""
        with suppress(*CLIENT_ERRORS):
            return self._uploads.bears(key, mark)
        return False
