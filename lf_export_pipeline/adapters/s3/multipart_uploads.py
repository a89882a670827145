"""Uploads that were begun in a bucket and not finished, whatever they are of."""

from datetime import UTC
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.s3.s3_answers import status_of
from lf_export_pipeline.adapters.s3.s3_client import s3_errors
from lf_export_pipeline.core.stored_objects import BegunUpload, IncompleteUpload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def incomplete_uploads(client: "S3Client", bucket: str, prefix: str) -> list[IncompleteUpload]:
    """Those under keys with this prefix."""
    with s3_errors():
        pages = client.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, Prefix=prefix
        )
        found = [upload for page in pages for upload in page.get("Uploads", [])]
    return [
        IncompleteUpload(one["Key"], one["UploadId"], one["Initiated"].astimezone(UTC))
        for one in found
    ]


def abort_upload(client: "S3Client", bucket: str, upload: IncompleteUpload | BegunUpload) -> None:
    """Throw away the parts; an upload that has ended meanwhile is no error."""
    with s3_errors():
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=upload.key, UploadId=upload.upload_id)
        except ClientError as error:
            if status_of(error) != 404:
                raise
