import itertools
from collections.abc import Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats.marks import Marks
from lf_export_pipeline.core.query.written_rows import Filled
from lf_export_pipeline_tests.effort import examples

TOKEN = "0123456789abcdef"
MARKS = Marks(TOKEN)
OPENING, CLOSING = b"\xff" + TOKEN.encode(), b"\xfe" + TOKEN.encode()
Piece = bytes | tuple[int, bytes]


def upper(cells: list[bytes]) -> Sequence[bytes]:
    return [cell.upper() for cell in cells]


def lengths(cells: list[bytes]) -> Sequence[bytes]:
    return [b"%d" % len(cell) for cell in cells]


def finished(buffers: Sequence[bytes]) -> bytes:
    filled = (Filled(bytearray(each + b"of before"), len(each)) for each in buffers)
    return b"".join(bytes(each) for each in MARKS.finished(filled, [upper, lengths]))


def cut(data: bytes, ends: Sequence[int]) -> Iterator[bytes]:
    bounds = [0, *sorted(end % (len(data) + 1) for end in ends), len(data)]
    return (data[low:high] for low, high in itertools.pairwise(bounds))


def marked(region: int, cell: bytes) -> bytes:
    return OPENING + b"%03d" % region + cell + CLOSING


stored = st.lists(
    st.sampled_from([b"a", b"\xff", b"\xfe", OPENING[:-1], CLOSING[:-1], b"\xff000", b"\n", b'"'])
).map(b"".join)
pieces = st.lists(stored | st.tuples(st.integers(0, 1), stored), max_size=6)


@given(given_pieces=pieces, ends=st.lists(st.integers(0, 10_000), max_size=8))
@settings(max_examples=examples(300))
def test_marked_cells_are_finished_wherever_buffers_are_cut(
    given_pieces: list[Piece], ends: list[int]
) -> None:
    written = [p if isinstance(p, bytes) else marked(*p) for p in given_pieces]
    expected = [
        p if isinstance(p, bytes) else (upper, lengths)[p[0]]([p[1]])[0] for p in given_pieces
    ]
    assert finished(list(cut(b"".join(written), ends))) == b"".join(expected)


def test_buffers_without_a_mark_are_handed_on_as_they_are() -> None:
    data = bytearray(b"plain rows\nrows of before\xff")
    (only,) = MARKS.finished([Filled(data, 11)], [])
    assert bytes(only) == b"plain rows\n"
    assert only.obj is data


def test_bytes_that_users_store_are_no_marks() -> None:
    data = b"\xff" + b"f" * 16 + b"000cell\xfe"
    assert finished([data[:1], data[1:]]) == data


def test_a_mark_is_written_by_sql_as_hexadecimal_digits() -> None:
    sql = MARKS.around("`input`", 7)
    assert sql == f"concat(unhex('{(OPENING + b'007').hex()}'), `input`, unhex('{CLOSING.hex()}'))"
