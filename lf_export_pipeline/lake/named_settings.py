"""The bucket of the lake, whose errors name the lake's settings and not those of exports."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import Bucket, ByteSource
from lf_export_pipeline.core.stored_objects import StoredObject, UploadedObject

_EXPORTS: Final = "LANGFUSE_S3_BATCH_EXPORT"
_BUCKET: Final = (f"{_EXPORTS}_BUCKET", "LF_EXPORT_LAKE_URL")
_OWN: Final = (_EXPORTS, "LF_EXPORT_LAKE_S3")


class NamedSettings:
    """A ``Bucket`` on a client that was written for the bucket of exports.

    Args:
        bucket: That client.
        has_own_service: Whether the lake has an endpoint, a region or a key of its own.
    """

    def __init__(self, bucket: Bucket, *, has_own_service: bool) -> None:
        self._bucket = bucket
        self._names = (_BUCKET, _OWN) if has_own_service else (_BUCKET,)

    def upload(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        """Write an object."""
        with self._renamed():
            return self._bucket.upload(key, source, content_type, expected_bytes)

    def read(self, key: str) -> bytes | None:
        """The bytes of a small object; None: there is none."""
        with self._renamed():
            return self._bucket.read(key)

    def head(self, key: str) -> StoredObject | None:
        """The object, if it is there."""
        with self._renamed():
            return self._bucket.head(key)

    def delete(self, key: str) -> None:
        """Remove the object."""
        with self._renamed():
            self._bucket.delete(key)

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with a prefix."""
        with self._renamed():
            yield from self._bucket.listed(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """What stands between a prefix and the next slash."""
        with self._renamed():
            yield from self._bucket.folders(prefix)

    @contextmanager
    def _renamed(self) -> Iterator[None]:
        try:
            yield
        except ExportError as error:
            told = str(error)
            for exports, lake in self._names:
                told = told.replace(exports, lake)
            if told == str(error):
                raise
            raise type(error)(told) from error.__cause__
