"""Two runs of one export at once."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event

from lf_export_pipeline.runs.partitions import PARTITIONS_NAME
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.bench import QUICK, Bench, Trial
from lf_export_pipeline_tests.faults.export_process import instance_of
from lf_export_pipeline_tests.faults.fault import Fault
from lf_export_pipeline_tests.faults.outcome import Outcome
from lf_export_pipeline_tests.faults.trial import RUN_MAX_SECONDS
from lf_export_pipeline_tests.faults.wire import Scenario, Wire, Word, tapped
from lf_export_pipeline_tests.integration.operations.deployment import eventually
from lf_export_pipeline_tests.integration.resources.proxy import Beforehand, Meanwhile, Spoiling

NAME = "two runs at once"
READING = s.said_to("ClickHouse", s.rows_are_read)


def pairs() -> Iterator[Fault]:
    """Each of them works while the other does, as the outcome proves."""
    for seconds, where in ((0, "same instant"), (1, "one second apart"), (2, "two seconds apart")):
        yield Fault(NAME, where, partial(_twice, seconds), is_short=not seconds)
    killed = "one is killed when the other has finished"
    yield Fault(NAME, killed, _killed_at_the_end, "serialize_chunk", is_short=True)


def _twice(delay_seconds: float, bench: Bench) -> list[Outcome]:
    trial = _trial(bench)
    bench.wire.play(_reading_when_both_are_there(trial))
    first = trial.begin()
    time.sleep(delay_seconds)
    second = trial.begin()
    for run in (first, second):
        trial.end_of(run)
    assert trial.overlapped(), "they ran one after the other"
    return [trial.repaired()]


def _killed_at_the_end(bench: Bench) -> list[Outcome]:
    """The second run begins to read rows, the first one finishes, and the second one is killed."""
    trial = _trial(bench)
    is_reading, is_over, wire = Event(), Event(), Wire()

    def end() -> None:
        second.kill()
        is_over.set()

    with tapped(bench.stack.addresses(), wire) as environment:
        wire.play(s.Once(READING, s.always(Beforehand(partial(_handed_over, is_reading, is_over)))))
        bench.wire.play(_finishing(is_reading, end))
        first = trial.begin()
        eventually(trial.began)  # so that the one that is killed is the last one for Dagster too
        second = trial.begin(environment={**environment, **QUICK})
        assert trial.end_of(first) == 0
        assert trial.end_of(second) == -9
        wire.raise_failure()
    trial.struck_in = trial.op_at_work()
    return [trial.repaired()]


def _reading_when_both_are_there(trial: Trial) -> Scenario:
    """Neither reads rows before both have begun: a busy machine may begin one much later."""
    both_there = Beforehand(lambda: eventually(lambda: trial.begun() == 2))
    return lambda word: both_there if READING(word) else None


def _trial(bench: Bench) -> Trial:
    bench.rehearsal()
    trial = bench.new_export()
    with instance_of(trial.circumstances.folder) as records:
        records.get_dynamic_partitions(PARTITIONS_NAME)  # makes the databases, which two may not
    return trial


def _finishing(other_reads: Event, end: Callable[[], None]) -> Scenario:
    """A run that reads no row before the other one does, and whose end ends the other one."""
    is_committed = s.CompletedIsCommitted()

    def scenario(word: Word) -> Spoiling:
        if word.server == "Postgres" and is_committed(word.request):
            return Meanwhile(end)
        return Beforehand(partial(_await, other_reads)) if READING(word) else None

    return scenario


def _handed_over(is_here: Event, may_go_on: Event) -> None:
    is_here.set()
    _await(may_go_on)


def _await(event: Event) -> None:
    assert event.wait(RUN_MAX_SECONDS), "it did not happen"
