"""What ``lf-export doctor`` finds out about the lake."""

import io
import secrets

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.lake.opening import open_bucket
from lf_export_pipeline.settings import Settings


def lake(settings: Settings) -> str:
    """That its place takes objects, gives them back, lists and deletes them.

    Raises:
        ExportError: It does not; the message says what to do.
    """
    from lf_export_pipeline.defs.lake.shape import LakeShape  # noqa: PLC0415 - if there is a lake

    LakeShape.of(settings)  # what Dagster reads of it when it loads the code location
    bucket, keys = open_bucket(settings)
    key, data = keys.schema("doctor", secrets.token_hex(8)), secrets.token_bytes(64)
    bucket.upload(key, io.BytesIO(data), "application/json", len(data))
    try:
        if bucket.read(key) != data:
            raise TransientError(f"{settings.lf_export_lake_url} gives back other bytes.")
        if [each.key for each in bucket.listed(key)] != [key]:
            raise TransientError(f"{settings.lf_export_lake_url} does not list what it holds.")
    finally:
        bucket.delete(key)
    return "an object was written, read, listed and deleted"
