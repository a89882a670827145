"""The short form of the table of faults; ``make faults`` plays all of it."""

from collections.abc import Iterator

import pytest

from lf_export_pipeline_tests.faults.bench import Bench, open_bench
from lf_export_pipeline_tests.faults.fault import Fault, problems_of
from lf_export_pipeline_tests.faults.table import all_faults

pytestmark = [pytest.mark.services, pytest.mark.faults]

SHORT = [fault for fault in all_faults() if fault.is_short]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.id) for fault in SHORT])
def test_after_a_fault_there_is_one_correct_file_and_nothing_else(
    bench: Bench, fault: Fault
) -> None:
    assert problems_of(fault, fault.play(bench)) == []
