"""Two runs of one export at once: the second one finds it taken."""

import time
from collections.abc import Iterator
from functools import partial

from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.bench import Bench, FaultRun
from lf_export_pipeline_tests.faults.export_process import instance_of
from lf_export_pipeline_tests.faults.fault import Fault
from lf_export_pipeline_tests.faults.fault_proxy import Scenario
from lf_export_pipeline_tests.faults.outcome import Outcome
from lf_export_pipeline_tests.integration.adapters.proxy import Beforehand
from lf_export_pipeline_tests.integration.operations.deployment import eventually

NAME = "two runs at once"
READING = s.said_to("ClickHouse", s.rows_are_read)


def pairs() -> Iterator[Fault]:
    """Each of them has begun before the other ends, as the outcome proves."""
    for seconds, where in ((0, "same instant"), (1, "one second apart"), (2, "two seconds apart")):
        yield Fault(NAME, where, partial(_twice, seconds), is_short=not seconds)


def _twice(delay_seconds: float, bench: Bench) -> list[Outcome]:
    fault_run = _trial(bench)
    bench.fault_proxy.play(_reading_when_both_are_there(fault_run))
    first = fault_run.begin()
    time.sleep(delay_seconds)
    second = fault_run.begin()
    for run in (first, second):
        fault_run.end_of(run)
    assert fault_run.overlapped(), "they ran one after the other"
    return [fault_run.repaired()]


def _reading_when_both_are_there(fault_run: FaultRun) -> Scenario:
    """Neither reads rows before both have begun: a busy machine may begin one much later."""
    both_there = Beforehand(lambda: eventually(lambda: fault_run.begun() == 2))
    return lambda word: both_there if READING(word) else None


def _trial(bench: Bench) -> FaultRun:
    bench.baseline()
    fault_run = bench.new_export()
    with instance_of(fault_run.circumstances.folder) as records:
        # Two may neither make the databases at the same instant, nor, in SQLite, a partition.
        records.add_dynamic_partitions(PARTITIONS_NAME, [fault_run.export_id])
    return fault_run
