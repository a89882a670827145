"""The bucket of the finished files."""

import io
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from boto3.exceptions import RetriesExceededError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.aws import aws_session
from lf_export_pipeline.adapters.s3.checksums import PartsChecksum
from lf_export_pipeline.adapters.s3.multipart_uploads import abort_upload, incomplete_uploads
from lf_export_pipeline.adapters.s3.s3_answers import status_of
from lf_export_pipeline.adapters.s3.s3_client import (
    CLIENT_ERRORS,
    encryption_of,
    head_of,
    raise_mapped,
    s3_client,
    s3_errors,
)
from lf_export_pipeline.core.errors import ConfigurationError, TransientError
from lf_export_pipeline.core.ports import IncompleteUpload, StoredObject
from lf_export_pipeline.core.query.chunk_plan import MEBIBYTE, part_bytes
from lf_export_pipeline.settings.s3 import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MARK = "lf-export-upload"
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
        self, key: str, pieces: Iterable[bytes], content_type: str, expected_bytes: int
    ) -> None:
        """Write an object; nothing appears under the key unless all of it was written.

        boto3's transfer manager takes the pieces in a thread of its own and sends some parts at the
        same time; memory is bounded by ``concurrent parts + 1`` parts. Whatever ends the
        upload early, an interrupt too, aborts it on the server. An exception out of ``pieces``
        arrives as it is.

        Args:
            key: The key, prefix included.
            pieces: The object's bytes in order; read once.
            content_type: Stored with the object.
            expected_bytes: Sizes the parts, so that 10,000 are enough. An estimate will do.

        Raises:
            TransientError: the service failed, or holds other bytes than those that were sent.
            ConfigurationError: the bucket or its credentials are wrong.
        """
        config = self._transfer_config(expected_bytes)
        source = _PieceFile(pieces, PartsChecksum(config.multipart_chunksize))
        mark = {_MARK: secrets.token_hex(8)}
        options = {"ContentType": content_type, "Metadata": mark, **encryption_of(self._settings)}
        try:
            self._client.upload_fileobj(
                cast("BinaryIO", source),
                self.bucket,
                key,
                ExtraArgs=options,
                Config=config,
            )
        except _PiecesFailedError as error:
            failure = source.failure or error
            raise failure from failure.__cause__
        except CLIENT_ERRORS as error:
            # The answer to the last request may be lost, and its repetition be refused.
            if not self._bears(key, mark):
                raise_mapped(error)
        self._require_equal(key, source)

    def _require_equal(self, key: str, sent: "_PieceFile") -> None:
        """By size and ETag; where ETags are no checksums, by reading everything back."""
        stored = self.head(key)
        if stored is None or stored.size != sent.bytes_read:
            raise TransientError(
                f"The bucket holds {stored.size if stored else 'none'} of the "
                f"{sent.bytes_read} bytes that were sent."
            )
        if stored.etag != sent.checksum.etag and not sent.checksum.is_of(self._read_back(key)):
            raise TransientError("The bucket holds other bytes than those that were sent.")

    def _read_back(self, key: str) -> Iterator[bytes]:
        with s3_errors():
            body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
            yield from body.iter_chunks(MEBIBYTE)

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
        return StoredObject(key, found["ContentLength"], found.get("ContentType"), etag or None)

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

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        with s3_errors():
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def incomplete_uploads(self, prefix: str) -> list[IncompleteUpload]:
        """What has been begun under keys with this prefix and not been finished."""
        return incomplete_uploads(self._client, self.bucket, prefix)

    def abort(self, upload: IncompleteUpload) -> None:
        """Throw away the parts; an upload that has ended meanwhile is no error."""
        abort_upload(self._client, self.bucket, upload)

    def has_lifecycle(self) -> bool:
        """Whether some rule of the bucket aborts unfinished uploads.

        Raises:
            ExportError: The rules cannot be read.
        """
        with s3_errors():
            try:
                found = self._client.get_bucket_lifecycle_configuration(Bucket=self.bucket)
            except ClientError as error:
                if status_of(error) == 404:
                    return False
                raise
        rules = [rule for rule in found.get("Rules", []) if rule["Status"] == "Enabled"]
        return any("AbortIncompleteMultipartUpload" in rule for rule in rules)

    @property
    def bucket(self) -> str:
        """The bucket's name, or the sentence that there is none."""
        if not self._settings.langfuse_s3_batch_export_bucket:
            raise ConfigurationError(
                "No S3 bucket is configured for exports; set LANGFUSE_S3_BATCH_EXPORT_BUCKET."
            )
        return self._settings.langfuse_s3_batch_export_bucket

    def of_bucket(self, bucket: str) -> "S3ObjectStore":
        """Another bucket of the same service, for the same user."""
        changed = {"langfuse_s3_batch_export_bucket": bucket}
        return S3ObjectStore(self._settings.model_copy(update=changed))

    @property
    def credentials_are_temporary(self) -> bool:
        """Whether links die with a session token, whatever their date says."""
        if self._settings.langfuse_s3_batch_export_access_key_id:
            return False
        with s3_errors():
            credentials = aws_session().get_credentials()
        return bool(credentials and credentials.token)

    @cached_property
    def _client(self) -> "S3Client":
        endpoint = self._settings.langfuse_s3_batch_export_endpoint
        return s3_client(self._settings, self.bucket, endpoint)

    @cached_property
    def _signer(self) -> "S3Client":
        external = self._settings.langfuse_s3_batch_export_external_endpoint
        return s3_client(self._settings, self.bucket, external) if external else self._client

    def _transfer_config(self, expected_bytes: int) -> TransferConfig:
        concurrency = self._settings.langfuse_s3_upload_max_concurrent_parts
        size = part_bytes(expected_bytes, self._settings.batch_export_s3_part_size_mib * MEBIBYTE)
        config: Any = TransferConfig(
            multipart_threshold=size, multipart_chunksize=size, max_concurrency=concurrency
        )
        config.max_in_memory_upload_chunks = concurrency
        return config  # type: ignore[no-any-return]

    def _bears(self, key: str, mark: dict[str, str]) -> bool:
        """Whether the object that is there is the one of this upload."""
        with suppress(*CLIENT_ERRORS):
            found = self._client.head_object(Bucket=self.bucket, Key=key)
            return found.get("Metadata") == mark
        return False


def content_disposition(file_name: str) -> str:
    """The header that makes a browser save the file, under a name that cannot leave its quotes."""
    printable = "".join(character for character in file_name if character.isprintable())
    plain = printable.encode("ascii", "replace").decode().replace("\\", "\\\\")
    quoted = plain.replace('"', '\\"')
    header = f'attachment; filename="{quoted}"'
    if printable.isascii():
        return header
    return f"{header}; filename*=UTF-8''{quote(printable, safe='')}"


class _PieceFile(io.RawIOBase):
    """Pieces of bytes as a file that is read once, front to back."""

    def __init__(self, pieces: Iterable[bytes], checksum: PartsChecksum) -> None:
        self._pieces = iter(pieces)
        self.checksum = checksum
        self._rest = memoryview(b"")
        self.bytes_read = 0
        self.exhausted = False
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        """Exactly ``size`` bytes unless the pieces end; all of the rest without a size."""
        taken: list[memoryview] = []
        missing = size if size >= 0 else float("inf")
        while missing > 0 and self._refilled():
            piece = self._rest[: int(min(missing, len(self._rest)))]
            self._rest = self._rest[len(piece) :]
            taken.append(piece)
            missing -= len(piece)
        data = b"".join(taken)
        self.bytes_read += len(data)
        self.checksum.update(data)
        return data

    def _refilled(self) -> bool:
        while not self._rest and not self.exhausted:
            piece = self._next_piece()
            self.exhausted = piece is None
            self._rest = memoryview(piece or b"")
        return bool(self._rest)

    def _next_piece(self) -> bytes | None:
        """The transfer manager waits for ever for a thread that an interrupt has ended."""
        try:
            return next(self._pieces, None)
        except BaseException as error:
            self.failure = error
            raise _PiecesFailedError from error


class _PiecesFailedError(Exception):
    """The pieces themselves raised; their exception is the cause."""
