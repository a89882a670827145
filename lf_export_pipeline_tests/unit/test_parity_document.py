"""docs/parity.md names a test for every difference; each of them must exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "parity.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT)))


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_test_that_the_document_names_exists(path: str, test: str) -> None:
    assert test in functions_of(path)


def test_every_difference_has_a_test() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ") and "|---" not in line]
    differences = [row for row in rows if not row.startswith("| Langfuse |")]
    assert len(differences) > 30
    assert [row for row in differences if ".py::test_" not in row] == []
