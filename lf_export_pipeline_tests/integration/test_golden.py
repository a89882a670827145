"""Every recorded export of Langfuse's worker, through the real job, value by value."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lf_export_pipeline.local.seed import load_seed
from lf_export_pipeline.local.stack import LocalStack
from lf_export_pipeline_tests.conftest import REPOSITORY
from lf_export_pipeline_tests.golden.cases import Case, read_cases
from lf_export_pipeline_tests.golden.runner import GoldenRunner

pytestmark = [pytest.mark.services, pytest.mark.golden]


@pytest.fixture(scope="module")
def judge(golden_dir: Path) -> ModuleType:
    """``compare.py``, which lies beside the recordings."""
    specification = importlib.util.spec_from_file_location("compare", golden_dir / "compare.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runner(
    golden_seed_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GoldenRunner]:
    """A stack of its own: the seed's versions must stay unmerged and alone."""
    stack = LocalStack(tmp_path_factory.mktemp("golden"))
    try:
        addresses = stack.up()
        load_seed(addresses, golden_seed_dir)
        with GoldenRunner(addresses) as ready:
            yield ready
    finally:
        stack.destroy()


def _cases() -> list[Case]:
    default = REPOSITORY.parent / "shared" / "goldens"
    return list(read_cases(Path(os.environ.get("LF_EXPORT_GOLDENS", default)) / "cases"))


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.name)
def test_export_equals_the_recorded_one(
    case: Case, runner: GoldenRunner, judge: ModuleType, golden_dir: Path
) -> None:
    outcome = runner.run(case)

    found = judge.differences(
        golden_dir / "cases" / case.name, outcome.data, outcome.status, outcome.log
    )
    assert found == []
