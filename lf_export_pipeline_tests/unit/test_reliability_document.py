"""docs/reliability.md and SECURITY.md name tests for what they promise; each of them must exist."""

import re

import pytest

from lf_export_pipeline_tests.faults.__main__ import BEGIN, END
from lf_export_pipeline_tests.faults.table import all_faults
from lf_export_pipeline_tests.unit.test_parity_document import TESTS, functions_of

TEXTS = [
    (TESTS.parent / path).read_text(encoding="utf-8")
    for path in ("docs/reliability.md", "SECURITY.md")
]
FILES = sorted({path for text in TEXTS for path in re.findall(r"`([\w/]+\.py)[`:]", text)})
NAMED = sorted({named for text in TEXTS for named in re.findall(r"`([\w/]+\.py)::(\w+)`", text)})


@pytest.mark.parametrize("path", FILES)
def test_a_file_of_tests_that_a_document_names_exists(path: str) -> None:
    assert (TESTS / path).is_file()


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_test_that_a_document_names_exists(path: str, test: str) -> None:
    assert test in functions_of(path)


def test_the_table_shows_each_fault_and_none_that_ends_badly() -> None:
    table = TEXTS[0].partition(BEGIN)[2].partition(END)[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    _head, _rule, *faults = rows
    assert [tuple(cells[:2]) for cells in faults] == [(f.name, f.where) for f in all_faults()]
    assert not [cells for cells in faults if "RED" in cells[-1]]
