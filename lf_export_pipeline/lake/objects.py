"""Writes the rows of one project and day as one object."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from lf_export_pipeline.core.ports import Bucket
from lf_export_pipeline.lake.keys import LakeKeys, Place, project_of
from lf_export_pipeline.lake.layout import LakeLayout
from lf_export_pipeline.lake.parquet_bytes import CONTENT_TYPE, PulledBytes, parquet_bytes
from lf_export_pipeline.lake.row_groups import row_groups
from lf_export_pipeline.lake.row_reading import RowReading
from lf_export_pipeline.lake.source import LakeTable
from lf_export_pipeline.lake.typed_batches import TypedBatches

ROW_BYTES_EXPECTED: Final = 2_000
"""Sizes the parts of an upload, which grow where it is too little."""


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object that is in the bucket, or none without rows; the digest is of all that was read."""

    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    etag: str = ""
    unfit: dict[str, int] = field(default_factory=dict)
    digest: str = "0"


class LakeObjects:
    """The objects of the lake."""

    def __init__(self, bucket: Bucket, keys: LakeKeys, layout: LakeLayout) -> None:
        self._bucket = bucket
        self._keys = keys
        self.layout = layout

    def write(self, rows: RowReading, expected_rows: int) -> WrittenObject:
        """Stream the rows into their object; memory holds a page and a few parts of the upload.

        Raises:
            TransientError: A server or the bucket failed; the object is as it was before.
        """
        table = rows.chosen.table
        typed = TypedBatches(self.layout.schema(table))
        groups = row_groups(typed(batch) for batch in rows.batches() if batch.num_rows)
        first = next(groups, None)
        if first is None:
            self.remove(rows.place)
            return WrittenObject(digest=str(rows.digest))
        pieces = parquet_bytes(table, self.layout, chain((first,), groups))
        key = self._keys.object(rows.place)
        expected_bytes = expected_rows * ROW_BYTES_EXPECTED
        stored = self._bucket.upload(key, PulledBytes(pieces), CONTENT_TYPE, expected_bytes)
        return WrittenObject(
            *(typed.rows, stored.size, stored.sha256, stored.etag, dict(typed.unfit)),
            digest=str(rows.digest),
        )

    def remove(self, place: Place) -> None:
        """See that there is no object."""
        self._bucket.delete(self._keys.object(place))

    def etag(self, place: Place) -> str:
        """The tag of the object that is there; empty: there is none."""
        found = self._bucket.head(self._keys.object(place))
        return found.etag if found else ""

    def projects(self, table: LakeTable) -> Iterator[str]:
        """The ids of the projects that have objects of a table."""
        for folder in self._bucket.folders(self._keys.objects(table.name)):
            project = project_of(folder)
            if project is not None:
                yield project

    def etags(self, table: str) -> dict[Place, str]:
        """The tags of all objects of a table."""
        stored = self._bucket.listed(self._keys.objects(table))
        found = ((self._keys.object_place(table, each.key), each.etag) for each in stored)
        return {place: etag for place, etag in found if place is not None}
