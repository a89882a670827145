from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.adapters.s3.part_buffers import PartBuffers
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.formats.writer import ChunkEnding
from lf_export_pipeline.core.query.export_query import SerializedChunk
from lf_export_pipeline.file.assembled_file import AssembledFile, size_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.running_checksum import RunningChecksum
from lf_export_pipeline_tests.fakes import MemorySpool, content


def listed(endings: Sequence[ChunkEnding]) -> bytes:
    """The end of a made-up format: where each part begins, and what it has left."""
    return b"]" + b"".join(b"%d:%s;" % (each.begins_at, each.data) for each in endings)


WRITER: Any = SimpleNamespace(prefix=b"[", separator=b",", end=lambda _: b"]", empty=b"[]")
WITH_LIST: Any = SimpleNamespace(prefix=b"[", separator=b",", end=listed, empty=b"[]")


@given(rows=st.lists(st.binary(max_size=30), max_size=5), part_bytes=st.integers(1, 20))
def test_all_bytes_are_there_wherever_the_parts_of_an_upload_end(
    rows: list[bytes], part_bytes: int
) -> None:
    spool = MemorySpool()
    parts = [stored(spool, index, data) for index, data in enumerate(rows)]
    buffers, found = PartBuffers(AssembledFile(WRITER, parts, spool), part_bytes, 2), b""
    for part in buffers.filled():
        found += part.data
        buffers.give_back(part)
    assert found == b"[" + b",".join(data for data in rows if data) + b"]"
    assert len(found) == size_of(WRITER, parts, spool) == buffers.bytes_taken


def test_a_part_that_has_changed_in_the_spool_is_noticed() -> None:
    spool = MemorySpool()
    parts = [stored(spool, 0, b"one"), stored(spool, 1, b"two")]
    spool.files[parts[0].location] = b"onE"
    with pytest.raises(TransientError, match="have changed in the spool"):
        content(AssembledFile(WRITER, parts, spool))


def test_the_end_lists_where_each_part_is_and_what_it_has_left() -> None:
    spool = MemorySpool()
    parts = [stored(spool, index, data) for index, data in enumerate((b"one", b"", b"three"))]
    folder = AttemptFolder(spool, "attempt")
    parts = [
        part.model_copy(update={"ending": folder.write_ending(part.index, b"E%d" % part.index)})
        for part in parts
    ]
    found = content(AssembledFile(WITH_LIST, parts, spool))
    assert found == b"[one,three]1:E0;5:E2;"
    assert size_of(WITH_LIST, parts, spool) == len(found)


def test_a_file_without_rows_lists_nothing() -> None:
    spool = MemorySpool()
    parts = [stored(spool, 0, b"")]
    assert content(AssembledFile(WITH_LIST, parts, spool)) == b"[]"
    assert size_of(WITH_LIST, parts, spool) == len(b"[]")


def test_an_ending_that_has_changed_in_the_spool_is_noticed() -> None:
    spool = MemorySpool()
    ending = AttemptFolder(spool, "attempt").write_ending(0, b"footer")
    part = stored(spool, 0, b"one").model_copy(update={"ending": ending})
    spool.files[ending.location] = b"fooTer"
    with pytest.raises(TransientError, match="ending-00000 have changed in the spool"):
        size_of(WITH_LIST, [part], spool)
    with pytest.raises(TransientError, match="ending-00000 have changed in the spool"):
        content(AssembledFile(WITH_LIST, [part], spool))


def stored(spool: MemorySpool, index: int, data: bytes) -> SerializedChunk:
    part, location = RunningChecksum(), f"attempt/part-{index}"
    with spool.create(location) as file:
        part.write(file, memoryview(data))
    return SerializedChunk(
        index=index,
        rows=len(data),
        bytes=part.size,
        checksum=part.checksum,
        location=location,
        expected_rows=len(data),
        seconds=0,
    )
