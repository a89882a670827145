"""The demo tells each change once, and gives up when there are none."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lf_export_localstack.demo.exports import EXPORTS
from lf_export_localstack.demo.watching import StandstillError, Watch
from lf_export_localstack.processes.process import ProcessRecord, record_of_this
from lf_export_pipeline.core.request.model import ExportRow

QUEUED = EXPORTS[0].row()
GONE = ProcessRecord(pid=record_of_this().pid, started_at=0)


class Rows:
    """What a table holds from one look to the next; the last state stays."""

    def __init__(self, *states: str) -> None:
        self._states = list(states)

    def get(self, export_id: str) -> ExportRow:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return ExportRow(
            **{
                name: getattr(QUEUED, name)
                for name in ("project_id", "user_id", "created_at", "updated_at", "name", "format")
            },
            id=export_id,
            status=state,
            table="traces",
            log="A sentence. " * 20 if state == "FAILED" else None,
            url=None,
            finished_at=datetime(2030, 1, 1, tzinfo=UTC) if state == "FAILED" else None,
            expires_at=None,
        )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def watch(instance: dg.DagsterInstance, rows: Rows, told: list[str], seconds: float) -> Watch:
    database: Any = SimpleNamespace(exports=rows)
    return Watch(database, instance, [QUEUED.id], told.append, patience_seconds=seconds)


def test_demo_gives_up_when_nothing_moves_and_still_has_the_rows(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("lf_export_localstack.demo.watching.POLL_SECONDS", 0)
    watching = watch(instance, Rows("QUEUED", "QUEUED", "PROCESSING", "FAILED"), told, 0.2)

    with pytest.raises(StandstillError, match="Nothing has moved for"):
        watching.until_all_have_ended(record_of_this())

    assert [line.split(":")[1].strip() for line in told] == ["QUEUED", "PROCESSING", "FAILED"]
    assert len(told[-1]) < 100
    assert [row.status for row in watching.rows] == ["FAILED"]


def test_demo_gives_up_at_once_when_the_daemon_has_ended(instance: dg.DagsterInstance) -> None:
    watching = watch(instance, Rows("QUEUED"), [], 600)

    with pytest.raises(StandstillError, match="daemon has ended"):
        watching.until_all_have_ended(GONE)

    assert [row.status for row in watching.rows] == ["QUEUED"]
