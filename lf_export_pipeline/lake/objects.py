"""Writes the rows of one project and day as one object."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.lake.keys import LakeKeys, Place
from lf_export_pipeline.lake.layout import LakeLayout
from lf_export_pipeline.lake.parquet_bytes import CONTENT_TYPE, PulledBytes, parquet_bytes
from lf_export_pipeline.lake.ports import LakeBucket
from lf_export_pipeline.lake.row_groups import row_groups
from lf_export_pipeline.lake.row_reading import RowReading
from lf_export_pipeline.lake.typed_batches import TypedBatches

ROW_BYTES_EXPECTED: Final = 2_000
"""Sizes the parts of an upload, which grow where it is too little."""


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object that is in the bucket; without rows there is none."""

    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    etag: str = ""
    unfit: dict[str, int] = field(default_factory=dict)


class LakeObjects:
    """The objects of the lake."""

    def __init__(self, bucket: LakeBucket, keys: LakeKeys, layout: LakeLayout) -> None:
        self._bucket = bucket
        self._keys = keys
        self.layout = layout

    def write(self, rows: RowReading, expected_rows: int) -> WrittenObject:
        """Stream the rows into their object; memory holds a page and a few parts of the upload.

        Raises:
            TransientError: A server or the bucket failed; the object is as it was before.
        """
        table = rows.chosen.table
        counted = _Counted(TypedBatches(self.layout.schema(table)))
        groups = row_groups(counted.typed(rows.batches()))
        first = next(groups, None)
        if first is None:
            self.remove(rows.place)
            return WrittenObject()
        pieces = parquet_bytes(table, self.layout, _with(first, groups))
        key = self._keys.object(rows.place)
        expected_bytes = expected_rows * ROW_BYTES_EXPECTED
        sha256 = self._bucket.upload(key, PulledBytes(pieces), CONTENT_TYPE, expected_bytes)
        stored = self._bucket.head(key)
        if stored is None:
            raise TransientError("An object of the lake was removed while it was written.")
        return WrittenObject(
            counted.rows, stored.size, sha256, stored.etag, dict(counted.convert.unfit)
        )

    def remove(self, place: Place) -> None:
        """See that there is no object."""
        self._bucket.delete(self._keys.object(place))

    def etag(self, place: Place) -> str:
        """The tag of the object that is there; empty: there is none."""
        found = self._bucket.head(self._keys.object(place))
        return found.etag if found else ""

    def etags(self, table: str) -> dict[Place, str]:
        """The tags of all objects of a table."""
        stored = self._bucket.listed(self._keys.objects(table))
        found = ((self._keys.object_place(table, each.key), each.etag) for each in stored)
        return {place: etag for place, etag in found if place is not None}


class _Counted:
    """Batches of the schema, and how many rows they have."""

    def __init__(self, convert: TypedBatches) -> None:
        self.convert = convert
        self.rows = 0

    def typed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                self.rows += batch.num_rows
                yield self.convert(batch)


def _with(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from others
