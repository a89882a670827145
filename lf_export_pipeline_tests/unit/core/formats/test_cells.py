import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.formats import cells, text
from lf_export_pipeline.core.formats.batches_of_cells import embedded_jsons
from lf_export_pipeline.core.formats.escapes import decode_escapes
from lf_export_pipeline.core.formats.json_rows import JsonRows
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.unit.core.formats import nasty

NAME = "cell"


def by_columns(cell: str, *, json_text: bool) -> bytes:
    array = pa.array([cell], text.TEXT)
    decoded: str = decode_escapes(array, json_text=json_text)[0].as_py()
    return decoded.encode()


def written(cell: str, *, is_json: bool) -> bytes:
    column = OutputColumn(name=NAME, kind=Kind.MAYBE_JSON)
    batch = pa.RecordBatch.from_pydict({NAME: [cell], NAME + JSON_FLAG_SUFFIX: [is_json]})
    (found,) = JsonRows(Layout((column,))).cells(batch, [column])
    return found


@given(cell=nasty.text)
@settings(max_examples=examples(1_000), deadline=None)
def test_escapes_of_text_are_decoded_as_in_columns(cell: str) -> None:
    assert cells.plain_text(cell.encode()) == by_columns(cell, json_text=False)


@given(cell=nasty.json_text() | nasty.text)
@settings(max_examples=examples(1_000), deadline=None)
def test_escapes_of_json_are_decoded_as_in_columns(cell: str) -> None:
    assert cells.json_text(cell.encode()) == by_columns(cell, json_text=True)


@given(cell=nasty.text)
@settings(max_examples=examples(500))
def test_a_text_is_the_json_string_that_columns_give(cell: str) -> None:
    assert cells.json_string(cell.encode()) == written(cell, is_json=False)


@given(cell=nasty.json_text(), space=st.sampled_from(["", "\n", "\r\n "]))
@settings(max_examples=examples(500))
def test_json_is_embedded_as_in_columns(cell: str, space: str) -> None:
    spaced = json.dumps(json.loads(cell), ensure_ascii=False, separators=("," + space, ":"))
    for each in (cell, spaced):
        assert list(embedded_jsons([each.encode()])) == [written(each, is_json=True)]


@given(cell=st.binary(max_size=20))
@settings(max_examples=examples(300))
def test_what_is_no_text_is_replaced_as_everywhere(cell: bytes) -> None:
    assert cells.valid(cell) == cell.decode("utf-8", "replace").encode()


@pytest.mark.parametrize("unit", ["\\", "\\\\u", "\\u00", "\\ud83d"])
def test_long_runs_cost_no_more_than_their_length(unit: str) -> None:
    cell = "\\u00e9" + unit * 100_000
    assert cells.plain_text(cell.encode()) == by_columns(cell, json_text=False)
