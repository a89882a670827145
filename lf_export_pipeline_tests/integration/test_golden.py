"""Every recorded export of Langfuse's worker, value by value."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lf_export_pipeline_tests.conftest import REPOSITORY
from lf_export_pipeline_tests.golden.cases import Case, read_cases, representatives
from lf_export_pipeline_tests.golden.direct import DirectRunner, concerns_the_job_alone
from lf_export_pipeline_tests.golden.runner import GoldenRunner
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

pytestmark = [pytest.mark.services, pytest.mark.golden]


@pytest.fixture(scope="session")
def runner(recorded_stack: IsolatedStack) -> Iterator[GoldenRunner]:
    with GoldenRunner(recorded_stack.addresses()) as ready:
        yield ready


def _cases() -> list[Case]:
    default = REPOSITORY.parent / "shared" / "goldens"
    return list(read_cases(Path(os.environ.get("LF_EXPORT_GOLDENS", default)) / "cases"))


CASES = _cases()
REPRESENTATIVES = {case.name for case in representatives(CASES)}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name) for case in CASES if not concerns_the_job_alone(case)],
)
def test_file_equals_the_recorded_one(
    case: Case, direct: DirectRunner, judge: ModuleType, golden_dir: Path
) -> None:
    outcome = direct.run(case)

    folder = golden_dir / "cases" / case.name
    assert judge.differences(folder, outcome.data, outcome.status, outcome.log) == []


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.name,
            marks=() if case.name in REPRESENTATIVES else (pytest.mark.long,),
        )
        for case in CASES
    ],
)
def test_export_equals_the_recorded_one(
    case: Case, runner: GoldenRunner, judge: ModuleType, golden_dir: Path
) -> None:
    outcome = runner.run(case)

    folder = golden_dir / "cases" / case.name
    assert judge.differences(folder, outcome.data, outcome.status, outcome.log) == []
