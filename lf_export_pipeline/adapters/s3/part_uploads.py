"""Uploads in parts, one request after the other: begun, sent, listed, completed."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.s3.checksums import answered, encoded
from lf_export_pipeline.adapters.s3.part_buffers import Part, PartBody
from lf_export_pipeline.adapters.s3.s3_answers import refuses_checksums, status_of
from lf_export_pipeline.core.stored_objects import BegunUpload, UploadedPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SHA256 = "SHA256"
MARK = "lf-export-upload"


class PartUploads:
    """The requests of uploads to one bucket.

    Every method raises what the client does: ``ClientError``, ``BotoCoreError``.

    Args:
        client: Of the service.
        bucket: Its name.
        options: How objects are encrypted.
    """

    def __init__(self, client: "S3Client", bucket: str, options: dict[str, str]) -> None:
        self._client: Any = client  # its typed parameters cannot be put together
        self._bucket = bucket
        self._options = options

    def begin(self, key: str, content_type: str) -> BegunUpload:
        """The service's answer says whether it knows the checksum; not all take the question."""
        mark = secrets.token_hex(8)
        begin = partial(
            self._client.create_multipart_upload,
            **self._place(key),
            **self._kept(content_type, mark),
        )
        try:
            answer = begin(ChecksumAlgorithm=SHA256)
        except ClientError as error:
            if not refuses_checksums(error):
                raise
            answer = begin()
        is_told = answer.get("ChecksumAlgorithm") == SHA256
        return BegunUpload(key, answer["UploadId"], mark, is_told)

    def send(self, upload: BegunUpload, number: int, part: Part) -> UploadedPart:
        """The part as it was taken."""
        put = partial(self._client.upload_part, **self._of(upload), PartNumber=number)
        return _sent(put, number, part, is_told=upload.is_told)

    def put(self, key: str, content_type: str, part: Part, mark: str) -> UploadedPart:
        """A whole object in one request."""
        kept = self._kept(content_type, mark)
        put = partial(self._client.put_object, **self._place(key), **kept)
        try:
            return _sent(put, 1, part, is_told=True)
        except ClientError as error:
            if not refuses_checksums(error):
                raise
            return _sent(put, 1, part, is_told=False)

    def listed(self, upload: BegunUpload) -> set[tuple[int, str]] | None:
        """Numbers and ETags of the parts; None: there is no such upload (any more)."""
        pages = self._client.get_paginator("list_parts").paginate(**self._of(upload))
        try:
            found = [part for page in pages for part in page.get("Parts", [])]
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise
        return {(part["PartNumber"], part["ETag"].strip('"')) for part in found}

    def complete(self, upload: BegunUpload, parts: Sequence[UploadedPart]) -> None:
        """Put the parts together."""
        named = [_named(part, is_told=upload.is_told) for part in parts]
        self._client.complete_multipart_upload(**self._of(upload), MultipartUpload={"Parts": named})

    def abort(self, upload: BegunUpload) -> None:
        """Throw away the parts."""
        self._client.abort_multipart_upload(**self._of(upload))

    def bears(self, key: str, mark: str) -> bool:
        """Whether the object that is there has this mark.

        Names of headers count in any case: proxies written in Go change it. A service may have
        added some of its own.
        """
        found = self._client.head_object(**self._place(key)).get("Metadata", {})
        return {name.lower(): value for name, value in found.items()}.get(MARK) == mark

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    def _of(self, upload: BegunUpload) -> dict[str, str]:
        return {**self._place(upload.key), "UploadId": upload.upload_id}

    def _kept(self, content_type: str, mark: str) -> dict[str, Any]:
        return {"ContentType": content_type, "Metadata": {MARK: mark}, **self._options}


def _sent(put: Callable[..., Any], number: int, part: Part, *, is_told: bool) -> UploadedPart:
    checksum = {"ChecksumSHA256": encoded(part.sha256)} if is_told else {}
    return answered(number, part, put(Body=PartBody(part), **checksum))


def _named(part: UploadedPart, *, is_told: bool) -> dict[str, Any]:
    checksum = {"ChecksumSHA256": encoded(bytes.fromhex(part.sha256))} if is_told else {}
    return {"PartNumber": part.number, "ETag": f'"{part.etag}"', **checksum}
