"""Which bucket holds the files of exports."""

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.settings import Settings


def open_object_store(settings: Settings) -> S3ObjectStore:
    """The bucket of finished files; a missing setting is said by its first use."""
    return S3ObjectStore(settings)
