"""What is in compressed files, read to the end of the last member."""

import zlib
from io import BytesIO

import zstandard

from lf_export_pipeline.core.request.options import Compression


def decompressed(data: bytes, compression: Compression) -> bytes:
    """The bytes of all members or frames, one after the other."""
    match compression:
        case Compression.NONE:
            return data
        case Compression.GZIP:
            return _gunzipped(data)
        case Compression.ZSTD:
            reader = zstandard.ZstdDecompressor().stream_reader(
                BytesIO(data), read_across_frames=True
            )
            return reader.read()


def _gunzipped(data: bytes) -> bytes:
    found = b""
    while data:
        member = zlib.decompressobj(31)
        found += member.decompress(data)
        assert member.eof, "the last member is cut short"
        data = member.unused_data
    return found
