"""Which processes give way to the others on their machine."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from lf_export_pipeline.defs.niceness import set_niceness

SPAWN = multiprocessing.get_context("spawn")


def _of_a_run(niceness: int, before: int) -> tuple[bool, int]:
    os.setpriority(os.PRIO_PROCESS, 0, before)
    return set_niceness(niceness), os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.parametrize(("niceness", "before", "after"), [(10, 1, 10), (0, 1, 1), (10, 15, 15)])
def test_process_that_was_made_for_a_run_gives_way(niceness: int, before: int, after: int) -> None:
    with ProcessPoolExecutor(1, SPAWN) as pool:
        assert pool.submit(_of_a_run, niceness, before).result() == (True, after)


def test_process_that_serves_keeps_its_priority() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)

    assert not set_niceness(19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
