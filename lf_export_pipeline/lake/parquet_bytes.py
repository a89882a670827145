"""The bytes of a Parquet file, as they come: a source that an upload reads."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lf_export_pipeline.core.formats.parquet_format import REPEATING_PATHS, WITH_STATISTICS
from lf_export_pipeline.lake.layout import LakeLayout
from lf_export_pipeline.lake.source import LakeTable

CONTENT_TYPE: Final = "application/vnd.apache.parquet"
_BATCH_ROWS: Final = 128
"""Pages are looked at after so many rows: those of large values must not grow with their number."""


def parquet_bytes(
    table: LakeTable, layout: LakeLayout, tables: Iterable[pa.Table]
) -> Iterator[bytes]:
    """A file with a row group of each table; equal tables give equal bytes."""
    sink = _Pieces()
    types = [(column.name, layout.type_of(column)) for column in table.columns]
    dictionaries = [
        f"{name}{REPEATING_PATHS[kind]}" for name, kind in types if kind in REPEATING_PATHS
    ]
    writer = pq.ParquetWriter(
        sink,
        layout.schema(table),
        compression=layout.codec,
        compression_level=1 if layout.codec == "zstd" else None,
        use_dictionary=dictionaries,
        write_statistics=[name for name, kind in types if kind in WITH_STATISTICS],
        write_page_index=True,
        write_batch_size=_BATCH_ROWS,
    )
    for each in tables:
        writer.write_table(each, row_group_size=each.num_rows)
        yield from sink.taken()
    writer.close()
    yield from sink.taken()


class PulledBytes:
    """Pieces of bytes as a ``ByteSource``."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        """How many bytes now stand at the beginning of the buffer; 0: there are no more."""
        while not self._piece:
            following = next(self._pieces, None)
            if following is None:
                return 0
            self._piece = memoryview(following)
        taken = min(len(buffer), len(self._piece))
        buffer[:taken] = self._piece[:taken]
        self._piece = self._piece[taken:]
        return taken


class _Pieces:
    """A file for Arrow, whose bytes are taken away while it is written."""

    closed = False  # pyarrow asks

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        """What was written since the last time."""
        found, self._pieces = self._pieces, []
        return found

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True
