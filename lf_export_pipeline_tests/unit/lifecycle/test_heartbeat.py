"""Who works is heard of."""

import threading

import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.lifecycle.heartbeat import heartbeat
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import export_row

SOON = 0.001
DEADLINE_SECONDS = 30


class Watched(FakeBatchExportRepository):
    """Rows that tell when they have been touched often enough."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(export_row(status="PROCESSING"))
        self.enough = threading.Event()
        self.touches = 0
        self._fails = fails

    def touch(self, export_id: str, owner: str) -> bool:
        self.touches += 1
        if self.touches >= 3:
            self.enough.set()
        if self._fails:
            raise TransientError("Postgres does not answer.")
        return super().touch(export_id, owner)


@pytest.mark.parametrize("fails", [False, True])
def test_row_is_touched_again_and_again_also_after_the_database_was_away(fails: bool) -> None:
    rows = Watched(fails=fails)

    with heartbeat(rows, "export-1", "run", SOON):
        assert rows.enough.wait(DEADLINE_SECONDS)


def test_nothing_is_touched_after_the_end_whatever_the_end_is() -> None:
    before = set(threading.enumerate())
    begun: set[threading.Thread] = set()

    def fails() -> None:
        with heartbeat(Watched(), "export-1", "run", SOON):
            begun.update(set(threading.enumerate()) - before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()

    assert "heartbeat" in {thread.name for thread in begun}
    assert begun.isdisjoint(threading.enumerate())
