"""The only place that opens buckets; nothing beside the adapters knows whose client they have."""

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.settings.s3 import S3Settings


def open_object_store(settings: S3Settings) -> ObjectStore:
    """The bucket that these settings name; a missing one is said by its first use."""
    return S3ObjectStore(settings)
