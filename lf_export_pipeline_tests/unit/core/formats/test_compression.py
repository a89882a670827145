"""A compressed file is the plain one, whatever its parts are."""

import zlib

import pytest
import zstandard

from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.formats.compression import CompressedWriter, new_compressor
from lf_export_pipeline.core.formats.writer import ChunkEnding
from lf_export_pipeline.core.query.columns import OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline_tests.decompressed import decompressed
from lf_export_pipeline_tests.unit.core.formats.assembly import file_bytes, part_bytes
from lf_export_pipeline_tests.unit.core.formats.reference import Record, record_batch

COLUMNS = (OutputColumn(name="text"),)
PARTS = [
    [record_batch(COLUMNS, [Record({"text": f'{part}, "{row}"\n' * 50}) for row in range(20)])]
    for part in range(3)
]
TEXTS = (ExportFormat.CSV, ExportFormat.JSON, ExportFormat.JSONL)
BOTH = (Compression.GZIP, Compression.ZSTD)


@pytest.mark.parametrize("compression", BOTH)
@pytest.mark.parametrize("fmt", TEXTS)
def test_members_one_after_the_other_are_the_plain_file(
    fmt: ExportFormat, compression: Compression
) -> None:
    plain = format_writer(fmt, COLUMNS)
    writer = CompressedWriter(plain, compression)
    data = writer.prefix
    for at, part in enumerate(PARTS):
        data += (writer.separator if at else b"") + compressed(compression, part_bytes(plain, part))
    data += writer.end([ChunkEnding(0, b"")] * len(PARTS))
    assert decompressed(data, compression) == file_bytes(plain, PARTS)
    assert len(data) < len(file_bytes(plain, PARTS)) / 5


@pytest.mark.parametrize("compression", BOTH)
@pytest.mark.parametrize("fmt", TEXTS)
def test_a_file_without_rows_opens(fmt: ExportFormat, compression: Compression) -> None:
    plain = format_writer(fmt, COLUMNS)
    empty = CompressedWriter(plain, compression).empty
    assert empty
    assert decompressed(empty, compression) == plain.empty


def test_what_a_compressed_file_is_called_and_is_said_to_be() -> None:
    found = {
        (writer.extension, writer.content_type)
        for fmt in TEXTS
        for compression in BOTH
        for writer in (CompressedWriter(format_writer(fmt, COLUMNS), compression),)
    }
    assert found == {
        (f"{name}.{ending}", f"application/{kind}")
        for name in ("csv", "json", "jsonl")
        for ending, kind in (("gz", "gzip"), ("zst", "zstd"))
    }


def compressed(compression: Compression, data: bytes) -> bytes:
    compressor = new_compressor(compression)
    assert compressor is not None
    view = memoryview(data)
    pieces = [compressor.compress(view[at : at + 1000]) for at in range(0, len(data), 1000)]
    return b"".join(pieces) + compressor.flush()


def test_damage_is_noticed_by_whoever_opens_the_file() -> None:
    data = bytearray(compressed(Compression.GZIP, b"rows" * 1000))
    data[-1] ^= 1
    with pytest.raises(zlib.error):
        decompressed(bytes(data), Compression.GZIP)
    with pytest.raises(zstandard.ZstdError):
        decompressed(b"rows" * 10, Compression.ZSTD)
