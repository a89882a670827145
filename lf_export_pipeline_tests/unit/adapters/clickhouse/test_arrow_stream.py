import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from lf_export_pipeline.adapters.clickhouse.arrow_stream import (
    BATCH_BYTES,
    StreamCutError,
    merged,
    read_stream,
    with_valid_text,
)


def stream(*batches: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def numbers(start: int, count: int) -> pa.RecordBatch:
    values = range(start, start + count)
    return pa.record_batch({"n": list(values), "text": [f"row {value}" for value in values]})


WHOLE = stream(numbers(0, 3), numbers(3, 2))


class Dribble:
    """A connection that gives a few bytes at a time and then ends, or breaks."""

    def __init__(self, data: bytes, step: int, broken: Exception | None = None) -> None:
        self._file = io.BytesIO(data)
        self._step = step
        self._broken = broken

    def read1(self, size: int) -> bytes:
        data = self._file.read(min(size, self._step))
        if not data and self._broken:
            raise self._broken
        return data


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_whole_stream_gives_its_rows_however_it_arrives(step: int) -> None:
    (found,) = read_stream(Dribble(WHOLE, step))
    assert found.column("n").to_pylist() == [0, 1, 2, 3, 4]


def test_small_batches_are_put_together_and_large_ones_passed_on() -> None:
    large = pa.record_batch({"n": [9], "text": ["x" * BATCH_BYTES]})
    arriving = [numbers(0, 2), numbers(2, 0), numbers(2, 1), large, large, numbers(5, 1)]
    found = list(merged(arriving))
    assert [batch.column("n").to_pylist() for batch in found] == [[0, 1, 2, 9], [9], [5]]
    assert found[1] is large


def test_a_result_of_empty_blocks_has_no_batch() -> None:
    assert list(merged([numbers(0, 0), numbers(0, 0)])) == []


@given(end=st.integers(min_value=0, max_value=len(WHOLE) - 1))
def test_a_stream_that_is_cut_anywhere_raises(end: int) -> None:
    with pytest.raises(StreamCutError):
        list(read_stream(io.BytesIO(WHOLE[:end])))


@pytest.mark.parametrize("broken", [ProtocolError("gone"), ConnectionResetError()])
def test_a_connection_that_breaks_raises_and_keeps_what_had_arrived(broken: Exception) -> None:
    with pytest.raises(StreamCutError) as caught:
        list(read_stream(Dribble(WHOLE[:-8] + b"the reason", 5, broken)))
    assert caught.value.tail.endswith(b"the reason")


def test_text_behind_the_end_marker_raises() -> None:
    with pytest.raises(StreamCutError):
        list(read_stream(io.BytesIO(WHOLE + b"Code: 241. DB::Exception: too late")))


def test_an_empty_result_has_no_batches() -> None:
    assert list(read_stream(io.BytesIO(stream(numbers(0, 0))))) == []


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    raw = [b"ok", b"a\xffb", None, b"\xed\xa0\x80", b""]
    text = pa.Array.from_buffers(
        pa.string(), len(raw), pa.array(raw, pa.binary()).buffers(), null_count=1
    )
    repaired = with_valid_text(pa.RecordBatch.from_arrays([text], names=["t"])).column("t")
    assert repaired.type == pa.string()
    assert repaired.to_pylist() == ["ok", "a\ufffdb", None, "\ufffd\ufffd\ufffd", ""]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([b"a\xff"], pa.binary(), ["a\ufffd"]),
        ([[b"\xff", None], None, []], pa.list_(pa.binary()), [["\ufffd", None], None, []]),
        (
            [{"s": b"\xff", "n": 1}, None],
            pa.struct([("s", pa.binary()), ("n", pa.int64())]),
            [{"s": "\ufffd", "n": 1}, None],
        ),
        ([[[b"\xfe"]], [[], None]], pa.list_(pa.list_(pa.binary())), [[["\ufffd"]], [[], None]]),
    ],
)
def test_text_is_repaired_at_any_depth(
    values: list[object], kind: pa.DataType, expected: list[object]
) -> None:
    as_text = pa.array(values, kind).view(_text_type(kind))
    batch = pa.RecordBatch.from_arrays([as_text], names=["c"])
    assert with_valid_text(batch).column("c").to_pylist() == expected


def test_sound_columns_are_passed_on_as_they_are() -> None:
    batch = numbers(0, 5)
    passed_on = with_valid_text(batch)
    assert passed_on.equals(batch)
    addresses = [
        [buffer.address for buffer in b.column("text").buffers()[1:]] for b in (batch, passed_on)
    ]
    assert addresses[0] == addresses[1]


def _text_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_text_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _text_type(field.type)) for field in kind])
    return pa.string() if pa.types.is_binary(kind) else kind
