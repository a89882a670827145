"""What the lake needs of the place that it is in."""

from collections.abc import Iterator
from typing import Protocol

from lf_export_pipeline.core.ports import ByteSource
from lf_export_pipeline.core.stored_objects import PutObject, StoredObject


class LakeBucket(Protocol):
    """A bucket, or a folder.

    Every method raises ``TransientError`` for what may pass, ``PermanentError`` for the rest.
    """

    def put(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> PutObject:
        """Write an object, whole or not at all; the tag is of these bytes, not of a rival's."""
        ...

    def read(self, key: str) -> bytes | None:
        """The bytes of a small object; None: there is none."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """The object, if it is there, with a tag that other bytes would not have."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        ...

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with a prefix."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """What stands between a prefix, which ends in a slash, and the next slash, each once."""
        ...
