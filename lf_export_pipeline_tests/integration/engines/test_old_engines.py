"""The recorded exports on old engines of ClickHouse, whose wheels of ``chdb`` can still be had."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lf_export_localstack.sample.seed import load_seed
from lf_export_pipeline_tests.golden.cases import read_cases
from lf_export_pipeline_tests.golden.direct import DirectRunner, concerns_the_job_alone
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

pytestmark = [pytest.mark.services, pytest.mark.golden, pytest.mark.long]


@pytest.fixture(scope="module")
def recorded(on_engine: IsolatedStack, golden_seed_dir: Path) -> Iterator[DirectRunner]:
    """What runs cases on the recorded rows, of which the old engine holds ClickHouse's."""
    load_seed(on_engine.addresses(), golden_seed_dir)
    with DirectRunner(on_engine.addresses()) as ready:
        yield ready


def test_files_equal_the_recorded_ones(
    recorded: DirectRunner, judge: ModuleType, golden_dir: Path
) -> None:
    differences = {}
    cases = [case for case in read_cases(golden_dir / "cases") if not concerns_the_job_alone(case)]
    for case in cases:
        outcome = recorded.run(case)
        folder = golden_dir / "cases" / case.name
        found = judge.differences(folder, outcome.data, outcome.status, outcome.log)
        if found:
            differences[case.name] = found
    assert len(cases) > 0
    assert differences == {}
