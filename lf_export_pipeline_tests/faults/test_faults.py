"""Some rows of the table of faults, in the long form more; ``make faults`` plays all of it."""

from collections.abc import Iterator

import pytest

from lf_export_pipeline_tests.faults.bench import Bench, open_bench
from lf_export_pipeline_tests.faults.fault import Fault, problems_of
from lf_export_pipeline_tests.faults.kills import OPS
from lf_export_pipeline_tests.faults.table import all_faults

pytestmark = [pytest.mark.services, pytest.mark.faults]

SHORT = [fault for fault in all_faults() if fault.is_short]
ONE_PER_SERVER = {
    "Postgres is killed and restarted, serialize_chunk",
    "SMTP is killed, notify_requester, until the run has ended",
    "throwIf in the middle of a response, ClickHouse, key scan",
    "done, and the answer is lost, CompleteMultipartUpload",
}
A_KILL_IN_EACH_OP = {f"SIGKILL of the run, {op}, 3 of 4, server did not" for op in OPS}
QUICK = ONE_PER_SERVER | A_KILL_IN_EACH_OP
assert {fault.id for fault in SHORT} >= QUICK


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.id, marks=() if fault.id in QUICK else (pytest.mark.long,))
        for fault in SHORT
    ],
)
def test_after_a_fault_there_is_one_correct_file_and_nothing_else(
    bench: Bench, fault: Fault
) -> None:
    assert problems_of(fault, fault.play(bench)) == []
