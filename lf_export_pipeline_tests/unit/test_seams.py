"""What is to be added can be added in one place, and nothing that is forgotten stays unnoticed."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mypy import api

from lf_export_pipeline_tests.conftest import REPOSITORY

PRODUCT = REPOSITORY / "lf_export_pipeline"
FILTERS = Path("core/request/filters.py")
KIND = '''
class FuzzyFilter(_Filter):
    """A kind of filter that no condition knows."""

    type: Literal["fuzzy"]


ColumnFilter = (
    FuzzyFilter
    | DatetimeFilter
'''


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], set[str]]:
    """In which modules the type checker asks for what has been added to the filters."""
    folder = tmp_path_factory.mktemp("seams")
    copy = folder / "lf_export_pipeline"
    shutil.copytree(PRODUCT, copy)
    query = [str(path) for path in sorted((copy / "core" / "query").glob("*.py"))]
    options = ["--strict", "--follow-imports=silent", "--cache-dir"]
    api.run([*options, str(folder / "cache"), *query])

    def check(before: str, after: str) -> set[str]:
        source = (PRODUCT / FILTERS).read_text(encoding="utf-8")
        assert source.count(before) == 1
        (copy / FILTERS).write_text(source.replace(before, after), encoding="utf-8")
        # What one check leaves in the cache, the next one would take for the state of other files.
        shutil.rmtree(folder / "own cache", ignore_errors=True)
        shutil.copytree(folder / "cache", folder / "own cache")
        said, _, _ = api.run([*options, str(folder / "own cache"), *query])
        found = re.findall(r"^(\S+?):\d+: .*assert_never", said, re.MULTILINE)
        return {Path(name).name for name in found}

    return check


@pytest.mark.long
@pytest.mark.parametrize(
    ("operators", "modules"),
    [
        ("TextTest", {"comments.py", "conditions.py", "postgres_filters.py"}),
        ("Comparison", {"comments.py", "operators.py"}),
        ("Order", {"operators.py"}),
        ("Choice", {"operators.py"}),
        ("ArrayChoice", {"conditions.py"}),
        ("Equality", {"operators.py"}),
        ("Presence", {"operators.py"}),
    ],
)
def test_an_operator_that_is_forgotten_somewhere_does_not_type_check(
    complaints: Callable[[str, str], set[str]], operators: str, modules: set[str]
) -> None:
    found = complaints(f"\n{operators} = Literal[", f'\n{operators} = Literal["made up", ')
    assert found == modules


@pytest.mark.long
def test_a_kind_of_filter_that_is_forgotten_does_not_type_check(
    complaints: Callable[[str, str], set[str]],
) -> None:
    assert complaints("\nColumnFilter = (\n    DatetimeFilter\n", KIND) == {"compiler.py"}
