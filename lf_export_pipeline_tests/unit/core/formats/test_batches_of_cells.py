"""Cells that are finished together are the same bytes as those that are finished alone."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats import batches_of_cells, cells
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.unit.core.formats import nasty

Together = Callable[[list[bytes]], Sequence[bytes]]
Alone = Callable[[bytes], bytes]

OF_TEXT: list[tuple[Together, Alone]] = [
    (batches_of_cells.plain_texts, cells.plain_text),
    (batches_of_cells.json_strings, cells.json_string),
]
OF_JSON: list[tuple[Together, Alone]] = [
    (batches_of_cells.json_texts, cells.json_text),
    (batches_of_cells.json_values, cells.json_value),
    (batches_of_cells.embedded_jsons, cells.json_value),  # generated without line breaks
]

escape = st.tuples(
    st.sampled_from(["\\", "\\\\", "\\\\\\", "\\\\\\\\"]),
    st.sampled_from(
        ["u4e2d", "u00fc", "ud83d", "ude00", "u001b", "u0022", "u005C", "u0075", "u0000", "uzz"]
    ),
).map("".join)
ordinary = st.sampled_from(["\\u4e2d", "\\\\u00FC", "\\ud83d\\ude00", "a", "n", '"', "0000"])
piece = st.one_of(
    ordinary, escape, st.sampled_from(["中", "é", "😀", "\\", "\\U0001f600", "\0", "\n", "\u2028"])
)
raw = st.lists(piece, max_size=8).map(lambda pieces: "".join(pieces).encode()) | st.binary(
    max_size=6
)
easy = st.lists(ordinary, max_size=8).map(lambda pieces: "".join(pieces).encode())
batch = st.lists(easy | raw | nasty.text.map(str.encode), max_size=20)


@pytest.mark.parametrize(("together", "alone"), OF_TEXT)
@given(given_cells=batch)
@settings(max_examples=examples(1_000), deadline=None)
def test_texts_are_the_same_together_and_alone(
    together: Together, alone: Alone, given_cells: list[bytes]
) -> None:
    assert list(together(given_cells)) == [alone(cell) for cell in given_cells]


@pytest.mark.parametrize(("together", "alone"), [*OF_JSON, OF_TEXT[0]])
@given(given_cells=st.lists(nasty.json_text().map(str.encode), max_size=12))
@settings(max_examples=examples(500), deadline=None)
def test_json_is_the_same_together_and_alone(
    together: Together, alone: Alone, given_cells: list[bytes]
) -> None:
    assert list(together(given_cells)) == [alone(cell) for cell in given_cells]


@pytest.mark.parametrize(("together", "alone"), OF_JSON[:1])
@given(given_cells=batch)
@settings(max_examples=examples(1_000), deadline=None)
def test_escapes_in_any_json_are_the_same_together_and_alone(
    together: Together, alone: Alone, given_cells: list[bytes]
) -> None:
    assert list(together(given_cells)) == [alone(cell) for cell in given_cells]


@pytest.mark.parametrize("hard", [b"\\u001b", b"\\ud83d", b"\\\\\\u4e2d", b"\\uxyz", b"\0", b"\\U"])
def test_one_hard_cell_leaves_the_others_together(
    hard: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_alone: list[bytes] = []

    def alone(cell: bytes) -> bytes:
        finished_alone.append(cell)
        return cell

    monkeypatch.setattr(cells, "plain_text", alone)
    given_cells = [b"\\u4e2d"] * 50 + [hard] + [b"\\u00e9"] * 50
    found = batches_of_cells.plain_texts(given_cells)
    assert len(finished_alone) <= 4
    assert [found[0], found[50], found[-1]] == ["中".encode(), hard, "é".encode()]
