"""docs/operating.md names the tests that prove it; they exist, and those of states are real."""

import re

import pytest

from lf_export_pipeline_tests.unit.test_parity_document import TESTS, functions_of

TEXT = (TESTS.parent / "docs/operating.md").read_text(encoding="utf-8")
TEST_NAME = re.compile(r"`([\w/]+\.py)::(\w+)`")
NAMED = sorted(set(TEST_NAME.findall(TEXT)))
STATES = ("`QUEUED`", "`PROCESSING`", "`COMPLETED`", "`FAILED`", "`CANCELLED`", "any")
BEGINNINGS = tuple(f"| {state} |" for state in STATES)
ROWS = [line for line in TEXT.splitlines() if line.startswith(BEGINNINGS)]


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_test_that_the_document_names_exists(path: str, test: str) -> None:
    assert test in functions_of(path)


def test_every_state_has_its_rows() -> None:
    assert len(ROWS) > 25
    assert {row.split(" | ")[0].removeprefix("| ") for row in ROWS} == set(STATES)


@pytest.mark.parametrize("row", ROWS)
def test_each_outcome_is_proven_against_real_parts(row: str) -> None:
    paths = [path for path, _ in TEST_NAME.findall(row)]

    assert paths
    assert not [path for path in paths if path.startswith("unit/")]
