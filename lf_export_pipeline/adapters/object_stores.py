"""The only place that opens buckets."""

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.settings.s3 import S3Settings


def open_object_store(settings: S3Settings) -> S3ObjectStore:
    """The bucket that these settings name; a missing one is said by its first use."""
    return S3ObjectStore(settings)
