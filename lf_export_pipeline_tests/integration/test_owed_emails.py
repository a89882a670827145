"""The e-mails of runs that fail or are killed after they have published their file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.notifications import send_owed
from lf_export_pipeline.lifecycle import failure
from lf_export_pipeline.notify import outbox
from lf_export_pipeline.notify.channels import Channel
from lf_export_pipeline.notify.outbox import Outbox, open_channels
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.integration.resuming import execute, instance_in, resumable_world
from lf_export_pipeline_tests.world import ENVIRONMENT, World


@pytest.fixture
def world() -> Iterator[World]:
    with resumable_world() as made:
        yield made


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_in(tmp_path) as local:
        yield local


class GoesAwayWithTheLastAnswer(FakeBatchExportRepository):
    """A database that does the last update, and is away when somebody asks whether it has."""

    is_away = False

    def complete(self, *args: Any, **values: Any) -> bool:
        super().complete(*args, **values)
        self.is_away = True
        raise TransientError("Postgres does not answer.")

    def get(self, export_id: str) -> ExportRow | None:
        self._must_be_there()
        return super().get(export_id)

    def fail(self, *args: object) -> bool:
        self._must_be_there()
        return super().fail(*args)  # type: ignore[arg-type]

    def _must_be_there(self) -> None:
        if self.is_away:
            raise TransientError("Postgres is away.")


def channels_of(world: World) -> list[Channel]:
    return open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))


def owed(world: World, instance: dg.DagsterInstance) -> int:
    return len(Outbox(instance, world.rows, channels_of(world)).owing(9))


def send_late(world: World, instance: dg.DagsterInstance, _run_id: str) -> None:
    send_owed(instance, world.rows, channels_of(world), world.spool)


def execute_again(_world: World, instance: dg.DagsterInstance, run_id: str) -> None:
    assert execute(instance, run_id)[1]


@pytest.fixture
def owing(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> tuple[GoesAwayWithTheLastAnswer, str]:
    """The rows, and a run that has failed after it had published its file."""
    monkeypatch.setattr(failure, "PATIENCE_ATTEMPTS", 1)
    world.rows = rows = GoesAwayWithTheLastAnswer(world.row)
    run_id, success = execute(instance)
    assert not success
    assert (world.state.status, world.mailer.sent) == ("COMPLETED", [])
    return rows, run_id


@pytest.mark.parametrize("senders", [(send_late, execute_again), (execute_again, send_late)])
def test_email_that_a_failed_run_owes_is_sent_once(
    senders: tuple[Callable[[World, dg.DagsterInstance, str], None], ...],
    owing: tuple[GoesAwayWithTheLastAnswer, str],
    world: World,
    instance: dg.DagsterInstance,
) -> None:
    rows, run_id = owing
    rows.is_away = False
    assert owed(world, instance) == 1

    for send in senders:
        send(world, instance, run_id)

    assert len(world.mailer.sent) == 1
    assert owed(world, instance) == 0


def test_email_whose_state_could_not_be_recorded_is_not_sent_again(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TransientError("Dagster's records are locked.")

    with monkeypatch.context() as locked:
        locked.setattr(outbox, "record_notice", fail)
        _, success = execute(instance)
    assert success
    assert len(world.mailer.sent) == 1
    assert owed(world, instance) == 1

    send_owed(instance, world.rows, channels_of(world), world.spool)

    assert len(world.mailer.sent) == 1
    assert owed(world, instance) == 0
