"""A run that fails says so in its row, also when the row cannot be reached, or no op has failed."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import dagster as dg
import pytest
from dagster_postgres.utils import DagsterPostgresException

from lf_export_pipeline.core.errors import (
    GENERIC_USER_MESSAGE,
    ConfigurationError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.lifecycle import failure
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


class IsAway(FakeBatchExportRepository):
    """The database does not answer these many times to whoever wants to set a row FAILED."""

    times = 0

    def fail(self, *args: Any, **options: Any) -> bool:
        if self.times:
            self.times -= 1
            raise TransientError("Postgres does not answer.")
        return super().fail(*args, **options)


def failing_world(times: int) -> World:
    world = World(export_row())
    rows = IsAway(world.row)
    rows.times = times
    world.rows = rows
    world.files.failures = [PermanentError("The bucket refuses it.")]
    return world


def test_a_row_is_set_when_the_database_comes_back(instance: dg.DagsterInstance) -> None:
    world = failing_world(times=2)

    world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", "The bucket refuses it.")


def test_a_row_that_the_hook_could_not_set_is_set_at_the_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure, "PATIENCE_ATTEMPTS", 1)
    world = failing_world(times=1)

    world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", GENERIC_USER_MESSAGE)


def test_a_database_that_stays_away_is_left_to_the_sensors(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure, "PATIENCE_ATTEMPTS", 1)
    world = failing_world(times=100)

    result = world.run(instance)

    assert not result.success
    assert world.state.status == "PROCESSING"


class ReadOnlySpool(MemorySpool):
    """A spool whose disk is not there, which no second try can help; it counts the tries."""

    tries = 0

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        self.tries += 1
        if self.tries:
            raise ConfigurationError("The spool cannot be written.")
        with super().create(path) as file:
            yield file


def test_a_value_that_the_spool_refuses_for_good_is_not_made_again(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    spool = ReadOnlySpool()
    world.spool = spool

    world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", "The spool cannot be written.")
    assert spool.tries == 1


def test_an_export_whose_output_cannot_be_recorded_is_failed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row())
    record = instance.handle_new_event
    monkeypatch.setattr(instance, "handle_new_event", _locked_at("STEP_OUTPUT", record))

    result = world.run(instance)

    assert not result.success
    assert (world.state.status, world.state.log) == ("FAILED", GENERIC_USER_MESSAGE)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_row_is_set_when_an_error_occurs_outside_of_every_op(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    def raise_it(*_: object) -> None:
        raise error

    monkeypatch.setattr("dagster._core.execution.plan.execute_plan._trigger_hook", raise_it)
    world = failing_world(times=0)

    with suppress(error, dg.DagsterExecutionInterruptedError):
        world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", GENERIC_USER_MESSAGE)


def test_a_row_is_set_when_dagster_cannot_even_record_the_end_of_the_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure, "PATIENCE_ATTEMPTS", 1)
    world = failing_world(times=1)
    record = instance.handle_new_event
    monkeypatch.setattr(instance, "handle_new_event", _locked_at("PIPELINE_FAILURE", record, None))

    with pytest.raises(sqlite3.OperationalError):
        world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", GENERIC_USER_MESSAGE)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        DagsterPostgresException("too many retries for DB connection"),
    ],
    ids=["locked", "away"],
)
def test_a_row_is_set_although_dagsters_records_are_not_there_when_the_run_has_failed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> bool:
        raise error

    monkeypatch.setattr(failure, "has_live_sibling", refuse)
    world = failing_world(times=0)

    world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", GENERIC_USER_MESSAGE)


def test_a_run_that_cannot_begin_leaves_its_row_waiting(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row())
    record = instance.handle_new_event
    monkeypatch.setattr(instance, "handle_new_event", _locked_at("PIPELINE_START", record, None))

    with pytest.raises(sqlite3.OperationalError):
        world.run(instance)

    assert world.state.status == "QUEUED"


def _locked_at(
    kind: str, record: Callable[..., Any], step: str | None = "stream_chunks"
) -> Callable[..., Any]:
    """Dagster's storage refuses one event of a step or of the run: an error outside of ops."""

    def handle(entry: dg.EventLogEntry, **options: Any) -> Any:
        event = entry.dagster_event
        if event and event.event_type_value == kind and event.step_key == step:
            raise sqlite3.OperationalError("database is locked")
        return record(entry, **options)

    return handle
