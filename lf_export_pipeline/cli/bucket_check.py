"""What ``lf-export doctor`` finds out about the bucket of exports."""

import io
import secrets
from contextlib import suppress
from datetime import timedelta

from lf_export_pipeline.adapters.object_stores import open_object_store
from lf_export_pipeline.cli.link_check import require_download
from lf_export_pipeline.core.errors import AccessRefusedError, ConfigurationError
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
        require_download(link, data, store.trust_of_links())
    finally:
        store.delete(key)
    done = "an object was written, downloaded through its link and deleted"
    return "; but ".join([done, *store.doubts(key)])
