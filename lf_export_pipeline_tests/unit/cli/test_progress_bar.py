"""The bar of ``lf-export run`` reads what the run is just writing, and never stands in its way."""

import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db

from lf_export_pipeline.cli import run as command
from lf_export_pipeline.cli.run import instance_in_use, progress_bar
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The one without DAGSTER_HOME."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with instance_in_use() as (in_use, _):
        yield in_use


def test_runs_are_read_by_one_thread_while_another_is_writing_them(
    instance: dg.DagsterInstance,
) -> None:
    read: list[int] = []
    storage: Any = instance.run_storage
    reading = threading.Thread(target=lambda: read.append(len(instance.get_runs())))

    with storage.connect() as connection:
        connection.execute(db.text("UPDATE runs SET status = 'STARTED'"))
        reading.start()
        reading.join()

    assert read == [0]


def test_bar_stands_while_the_runs_cannot_be_read_and_the_export_goes_on(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World(export_row())
    monkeypatch.setattr(command, "POLL_SECONDS", 0)
    looks = refuse_looks(monkeypatch)

    with progress_bar(instance, world.row.id):
        world.run(instance)
        assert looks.wait(timeout=60)

    assert world.state.status == "COMPLETED"
    assert "Traceback" not in capsys.readouterr().err


def refuse_looks(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as the bar has looked at what is refused to it, and to nobody else."""
    looked = threading.Event()

    def refuse(*_: object) -> None:
        looked.set()
        raise ConnectionError("too many retries for DB connection")

    monkeypatch.setattr(command, "progress_of", refuse)
    return looked
