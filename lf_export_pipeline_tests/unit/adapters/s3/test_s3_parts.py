import hashlib
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.adapters.s3 import object_store
from lf_export_pipeline.adapters.s3.checksums import PartsChecksum


@given(pieces=st.lists(st.binary(max_size=50)), sizes=st.lists(st.integers(1, 40), min_size=1))
def test_pieces_read_as_a_file_give_full_reads_until_the_end(
    pieces: list[bytes], sizes: list[int]
) -> None:
    file, whole = object_store._PieceFile(pieces, PartsChecksum(7)), io.BytesIO(b"".join(pieces))
    for size in sizes:
        assert file.read(size) == whole.read(size)
    assert file.read() == whole.read()
    assert file.read(1) == b""
    assert file.bytes_read == sum(map(len, pieces))
    assert file.checksum.is_of([b"".join(pieces)])


@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60)))
def test_the_checksum_is_that_of_s3_however_the_bytes_come(data: bytes, cuts: list[int]) -> None:
    checksum, places = PartsChecksum(10), [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(places):
        checksum.update(data[start:end])
    parts = [data[at : at + 10] for at in range(0, len(data), 10)]
    digests = [hashlib.md5(part).digest() for part in parts]
    composite = f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(parts)}"
    assert checksum.etag == (hashlib.md5(data).hexdigest() if len(data) < 10 else composite)
    assert not checksum.is_of([data, b"more"])


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("exports/1-lf.csv", 'attachment; filename="exports/1-lf.csv"'),
        ('a"; filename="b', r'attachment; filename="a\"; filename=\"b"'),
        ("a\\", r'attachment; filename="a\\"'),
        ("a\r\nX-Evil: 1", 'attachment; filename="aX-Evil: 1"'),
        ("é", "attachment; filename=\"?\"; filename*=UTF-8''%C3%A9"),
    ],
)
def test_a_key_stays_inside_the_file_name(key: str, header: str) -> None:
    assert object_store.content_disposition(key) == header
