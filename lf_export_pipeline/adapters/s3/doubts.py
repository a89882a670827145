"""What exports can do without, and a bucket does not give."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.aws import aws_session
from lf_export_pipeline.adapters.s3.s3_answers import status_of
from lf_export_pipeline.adapters.s3.s3_client import s3_errors
from lf_export_pipeline.core.errors import AccessRefusedError, ExportError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.settings.s3 import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def doubts_about(
    store: ObjectStore, client: "S3Client", settings: S3Settings, prefix: str
) -> Iterator[str]:
    """A sentence each; an upload is begun for them, whose key is the prefix, and thrown away."""
    if _credentials_are_temporary(settings):
        yield "the credentials are temporary, and links die with them: use a permanent key"
    try:
        store.incomplete_uploads(prefix)
    except AccessRefusedError:
        yield (
            "unfinished uploads cannot be found, and their parts are billed until a rule of the "
            "bucket removes them: allow ListBucketMultipartUploads, if the service knows that"
        )
    yield from _refusals_of_parts(store, prefix)
    with suppress(ExportError):  # who may not read the rules is not told of them
        if not _aborts_uploads(client, store.bucket):
            yield (
                "no rule of the bucket aborts uploads that were never finished and deletes files "
                "whose link has expired: see deploy/s3/lifecycle.json"
            )


def _credentials_are_temporary(settings: S3Settings) -> bool:
    """Whether links die with a session token, whatever their date says."""
    if settings.langfuse_s3_batch_export_access_key_id:
        return False
    with s3_errors():
        credentials = aws_session().get_credentials()
    return bool(credentials and credentials.token)


def _aborts_uploads(client: "S3Client", bucket: str) -> bool:
    """Whether some rule of the bucket does, of those that are never finished.

    Raises:
        ExportError: The rules cannot be read.
    """
    with s3_errors():
        try:
            found = client.get_bucket_lifecycle_configuration(Bucket=bucket)
        except ClientError as error:
            if status_of(error) == 404:
                return False
            raise
    rules = [rule for rule in found.get("Rules", []) if rule["Status"] == "Enabled"]
    return any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def _refusals_of_parts(store: ObjectStore, key: str) -> Iterator[str]:
    """What may not be done with an upload that was begun."""
    begun = store.begin(key, "text/plain")
    try:
        store.listed_parts(begun)
    except AccessRefusedError:
        yield (
            "a run that goes on with an upload has to believe its own notes of the parts: "
            "allow ListMultipartUploadParts, if the service knows that"
        )
    try:
        store.abort(begun)
    except AccessRefusedError:
        yield (
            "unfinished uploads cannot be thrown away, and their parts are billed until a rule of "
            "the bucket removes them: allow AbortMultipartUpload"
        )
