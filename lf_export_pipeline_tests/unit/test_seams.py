"""What is to be added can be added in one place, and nothing that is forgotten stays unnoticed."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mypy import api

from lf_export_pipeline_tests.conftest import REPOSITORY

PRODUCT = REPOSITORY / "lf_export_pipeline"
FILTERS = "core/request/filters.py"
MODEL = "core/request/model.py"
OPTIONS = "core/request/options.py"
WHO_MUST_KNOW = (
    *("core/query/*.py", MODEL, OPTIONS),
    *("core/formats/compression.py", "core/formats/templates.py"),
)
COMPLAINT = re.compile(r"^(\S+?):\d+: .*(?:assert_never|Missing return)", re.MULTILINE)
KIND = '''
class FuzzyFilter(_Filter):
    """A kind of filter that no condition knows."""

    type: Literal["fuzzy"]


ColumnFilter = (
    FuzzyFilter
    | DatetimeFilter
'''


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], set[str]]:
    """In which modules the type checker asks for what has been added to one of them."""
    folder = tmp_path_factory.mktemp("seams")
    copy = folder / "lf_export_pipeline"
    shutil.copytree(PRODUCT, copy)
    asked = [str(path) for pattern in WHO_MUST_KNOW for path in sorted(copy.glob(pattern))]
    options = ["--strict", "--follow-imports=silent", "--cache-dir"]
    api.run([*options, str(folder / "cache"), *asked])

    def check(module: str, before: str, after: str) -> set[str]:
        source = (PRODUCT / module).read_text(encoding="utf-8")
        assert source.count(before) == 1
        (copy / module).write_text(source.replace(before, after), encoding="utf-8")
        # What one check leaves in the cache, the next one would take for the state of other files.
        shutil.rmtree(folder / "own cache", ignore_errors=True)
        shutil.copytree(folder / "cache", folder / "own cache")
        said, _, _ = api.run([*options, str(folder / "own cache"), *asked])
        (copy / module).write_text(source, encoding="utf-8")
        return {Path(name).name for name in COMPLAINT.findall(said)}

    return check


@pytest.mark.long
@pytest.mark.parametrize(
    ("operators", "modules"),
    [
        ("TextTest", {"comments.py", "conditions.py", "operators.py", "postgres_filters.py"}),
        ("Comparison", {"comments.py", "operators.py"}),
        ("Order", {"operators.py"}),
        ("Choice", {"operators.py"}),
        ("ArrayChoice", {"conditions.py"}),
        ("Equality", {"operators.py"}),
        ("Presence", {"operators.py"}),
    ],
)
def test_an_operator_that_is_forgotten_somewhere_does_not_type_check(
    complaints: Callable[[str, str, str], set[str]], operators: str, modules: set[str]
) -> None:
    before = f"\n{operators} = Literal["
    found = complaints(FILTERS, before, f'{before}"made up", ')
    assert found == modules


@pytest.mark.long
def test_a_kind_of_filter_that_is_forgotten_does_not_type_check(
    complaints: Callable[[str, str, str], set[str]],
) -> None:
    assert complaints(FILTERS, "\nColumnFilter = (\n    DatetimeFilter\n", KIND) == {"compiler.py"}


@pytest.mark.long
def test_a_format_that_is_forgotten_somewhere_does_not_type_check(
    complaints: Callable[[str, str, str], set[str]],
) -> None:
    parquet = '    PARQUET = "PARQUET"\n'
    assert complaints(MODEL, parquet, f'{parquet}    AVRO = "AVRO"\n') == {
        "model.py",
        "templates.py",
    }


@pytest.mark.long
def test_a_compression_that_is_forgotten_does_not_type_check(
    complaints: Callable[[str, str, str], set[str]],
) -> None:
    zstd = '    ZSTD = "zstd"\n'
    assert complaints(OPTIONS, zstd, f'{zstd}    XZ = "xz"\n') == {"compression.py", "options.py"}
