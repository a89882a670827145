"""What ``lf-export doctor`` finds out about the bucket of exports."""

import io
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from lf_export_pipeline.adapters.object_stores import open_object_store
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.s3.s3_client import trust_of_links
from lf_export_pipeline.cli.link_check import require_download
from lf_export_pipeline.core.errors import AccessRefusedError, ConfigurationError, ExportError
from lf_export_pipeline.settings import Settings


def bucket(settings: Settings) -> str:
    """That an object can be written, downloaded through its link and deleted; what is missing else.

    Raises:
        ExportError: It cannot; the message says what to do.
    """
    if not settings.langfuse_s3_batch_export_enabled:
        raise ConfigurationError(
            "Exports are switched off; set LANGFUSE_S3_BATCH_EXPORT_ENABLED to true."
        )
    store = open_object_store(settings)
    key = f"{settings.langfuse_s3_batch_export_prefix}lf-export-doctor-{secrets.token_hex(8)}.txt"
    data = secrets.token_bytes(64)
    with suppress(AccessRefusedError):  # AWS's answer to those who may not list the bucket
        store.head(key)
    store.upload(key, io.BytesIO(data), "text/plain", len(data))
    try:
        link = store.signed_url(key, timedelta(minutes=5), "lf-export-doctor.txt")
        require_download(link, data, trust_of_links(settings))
    finally:
        store.delete(key)
    done = "an object was written, downloaded through its link and deleted"
    return "; but ".join([done, *_shortcomings(store, key)])


def _shortcomings(store: S3ObjectStore, key: str) -> Iterator[str]:
    """What exports can do without."""
    if store.credentials_are_temporary:
        yield "the credentials are temporary, and links die with them: use a permanent key"
    try:
        store.incomplete_uploads(key)
    except AccessRefusedError:
        yield (
            "unfinished uploads cannot be found, and their parts are billed until a rule of the "
            "bucket removes them: allow ListBucketMultipartUploads"
        )
    yield from _refusals_of_uploads(store, key)
    with suppress(ExportError):  # who may not read the rules is not told of them
        if not store.has_lifecycle():
            yield (
                "no rule of the bucket aborts uploads that were never finished and deletes files "
                "whose link has expired: see deploy/s3/lifecycle.json"
            )


def _refusals_of_uploads(store: S3ObjectStore, key: str) -> Iterator[str]:
    """What may not be done with an upload that was begun."""
    upload = store.begin(key, "text/plain")
    try:
        store.listed_parts(upload)
    except AccessRefusedError:
        yield (
            "a run that goes on with an upload has to believe its own notes of the parts: "
            "allow ListMultipartUploadParts"
        )
    try:
        store.abort(upload)
    except AccessRefusedError:
        yield (
            "unfinished uploads cannot be thrown away, and their parts are billed until a rule of "
            "the bucket removes them: allow AbortMultipartUpload"
        )
