"""The documents name the tests that prove what they say; each of them must exist."""

import ast
import re
from functools import cache
from pathlib import Path

from lf_export_pipeline_tests.faults.__main__ import BEGIN, END
from lf_export_pipeline_tests.faults.table import all_faults

TESTS = Path(__file__).parents[1]
DOCUMENTS = sorted([*(TESTS.parent / "docs").rglob("*.md"), *TESTS.parent.glob("*.md")])
FILE = re.compile(r"`([\w/]+/test_\w+\.py|test_\w+\.py)[`:]")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
STATES = ("`QUEUED`", "`PROCESSING`", "`COMPLETED`", "`FAILED`", "`CANCELLED`", "any")


def text_of(document: str) -> str:
    return (TESTS.parent / document).read_text(encoding="utf-8")


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_test_that_a_document_names_exists() -> None:
    texts = {document: document.read_text(encoding="utf-8") for document in DOCUMENTS}
    named = [(where, *found) for where, text in texts.items() for found in TEST.findall(text)]
    files = [(where, path) for where, text in texts.items() for path in FILE.findall(text)]

    assert len(named) > 130
    missing = [(str(where), path) for where, path in files if not (TESTS / path).is_file()]
    assert missing == []
    assert [
        (str(where), path, test) for where, path, test in named if test not in functions_of(path)
    ] == []


def test_the_architecture_names_each_folder_and_none_that_is_gone() -> None:
    cells = re.findall(r"^\| \d \| (.+?) \|", text_of("docs/architecture.md"), re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}
    product = TESTS.parent / "lf_export_pipeline"
    there = {path.name for root in (product, product / "core") for path in root.iterdir()}

    assert named == {name for name in there if not name.startswith(("__", "py.", "ruff.", "."))}


def test_every_difference_from_langfuse_has_a_test() -> None:
    lines = text_of("docs/parity.md").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "|---" not in line]
    differences = [row for row in rows if not row.startswith("| Langfuse |")]
    assert len(differences) > 30
    assert [row for row in differences if ".py::test_" not in row] == []


def test_every_state_is_proven_against_real_parts() -> None:
    beginnings = tuple(f"| {state} |" for state in STATES)
    table = text_of("docs/reliability.md").partition("\n## States\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith(beginnings)]
    assert len(rows) > 25
    assert {row.split(" | ")[0].removeprefix("| ") for row in rows} == set(STATES)
    paths = {row: [path for path, _ in TEST.findall(row)] for row in rows}
    assert [row for row, found in paths.items() if not found] == []
    assert [row for row, found in paths.items() if any(p.startswith("unit/") for p in found)] == []


def test_the_table_shows_each_fault_and_none_that_ends_badly() -> None:
    table = text_of("docs/reliability.md").partition(BEGIN)[2].partition(END)[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    _head, _rule, *faults = rows
    assert [tuple(cells[:2]) for cells in faults] == [(f.name, f.where) for f in all_faults()]
    assert not [cells for cells in faults if "RED" in cells[-1]]
