"""The first rows of a file, as an operator sees them."""

import pyarrow as pa
import pytest

from lf_export_pipeline.core.markdown import CELL_MAX_CHARACTERS
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.file.preview import preview_of

COLUMNS = (OutputColumn(name="id"), OutputColumn(name="input", kind=Kind.MAYBE_JSON))


def lines(*cells: str | None) -> list[str]:
    rows = pa.record_batch(
        {
            "hidden": ["a key that is in no file"] * len(cells),
            "id": [str(number) for number in range(len(cells))],
            "input": pa.array(cells, pa.string()),
        }
    )
    return preview_of(rows, COLUMNS).markdown.splitlines()


def test_preview_has_ten_rows_of_the_columns_of_the_file() -> None:
    head, rule, *rows = lines(*(["short"] * 11))

    assert (head, rule) == ("| id | input |", "| --- | --- |")
    assert rows == [f"| {number} | short |" for number in range(10)]


def test_long_cell_is_cut_and_says_so() -> None:
    *_, row = lines("x" * 100_000)

    assert row == f"| 0 | {'x' * CELL_MAX_CHARACTERS}… |"


def test_cell_that_just_fits_is_whole() -> None:
    *_, row = lines("x" * CELL_MAX_CHARACTERS)

    assert row == f"| 0 | {'x' * CELL_MAX_CHARACTERS} |"


def test_cells_cannot_break_the_table_or_bring_markup() -> None:
    *_, row = lines("a|b\n| --- |\n<img src=x> &amp;")

    assert row == "| 0 | a\\|b \\| --- \\| &lt;img src=x> &amp;amp; |"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("![](https://evil.test/p.png)", "!\\[\\](https://evil.test/p.png)"),
        ("[sign in again](https://evil.test)", "\\[sign in again\\](https://evil.test)"),
        ("\\[a](https://evil.test)", "\\\\\\[a\\](https://evil.test)"),
        ("a `b\\` | c", "a \\`b\\\\\\` \\| c"),
    ],
)
def test_cell_brings_no_picture_and_no_link(cell: str, shown: str) -> None:
    *_, row = lines(cell)

    assert row == f"| 0 | {shown} |"


def test_empty_cell_is_empty() -> None:
    *_, row = lines(None)

    assert row == "| 0 |  |"
