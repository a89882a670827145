"""What operators and sweeps ask of every ``BatchExportRepository``, in memory and on Postgres."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest
import sqlalchemy as sa

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow, StoredExport
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository

pytestmark = pytest.mark.services

LONG_AGO = datetime(1999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PROJECT = "project-of-the-search-contract"


class Rows(BatchExportRepository, Protocol):
    """The port, and what a test needs besides."""

    def add(self, row: StoredExport) -> bool: ...


@pytest.fixture(params=["memory", "postgres"])
def rows(request: pytest.FixtureRequest, database: LangfusePostgres) -> Iterator[Rows]:
    yield FakeBatchExportRepository() if request.param == "memory" else database.exports
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM batch_exports WHERE starts_with(project_id, :project)"),
            {"project": PROJECT},
        )


def added(rows: Rows, minute: int = 0, *, project: str = "", **values: Any) -> ExportRow:
    row = StoredExport(
        id=f"export-{secrets.token_hex(8)}",
        project_id=PROJECT + project,
        user_id="u-alice",
        created_at=LONG_AGO + timedelta(minutes=minute),
        updated_at=LONG_AGO,
        name="Traces",
        status="QUEUED",
        format="CSV",
        query={"tableName": "traces", "filter": [], "orderBy": None},
    )
    row = replace(row, **values)
    rows.add(row)
    found = rows.get(row.id)  # without its query
    assert found is not None
    return found


def ids(found: list[ExportRow]) -> list[str]:
    return [row.id for row in found if row.project_id.startswith(PROJECT)]


def test_projects_take_turns_in_what_waits(rows: Rows) -> None:
    heavy = [added(rows, minute, project="-a") for minute in range(4)]
    light = added(rows, 9, project="-b")
    added(rows, 0, project="-a", status="PROCESSING")

    assert ids(rows.list_queued(3, 100)) == [heavy[0].id, light.id, heavy[1].id, heavy[2].id]
    assert ids(rows.list_queued(1, 100)) == [heavy[0].id, light.id]
    assert len(rows.list_queued(3, 2)) == 2


def test_what_is_in_hand_hides_nothing_behind_it(rows: Rows) -> None:
    first, second = added(rows, 0), added(rows, 1)

    assert ids(rows.list_queued(1, 100, without={first.id})) == [second.id]


@pytest.mark.parametrize(
    "search",
    [
        ExportSearch(statuses=("FAILED", "WEIRD")),
        ExportSearch(projects=(f"{PROJECT}-x",)),
        ExportSearch(tables=("scores",)),
        ExportSearch(log_contains="50% OF_it"),
        ExportSearch(created_since=LONG_AGO + 5 * SECOND),
        ExportSearch(finished_since=NOW),
    ],
)
def test_each_condition_finds_the_rows_that_it_is_about(rows: Rows, search: ExportSearch) -> None:
    meant = added(
        rows,
        1,
        project="-x",
        status="FAILED",
        log="Only 50% of_it was there.",
        query={"tableName": "scores"},
        finished_at=NOW,
        url="https://link",
        expires_at=NOW,
    )
    plain = added(rows, 0, log="Only 50 parts of it.", query=[1])

    known = replace(search, ids=(meant.id, plain.id))

    assert [row.id for row in rows.search(known)] == [meant.id]


def test_last_instant_is_excluded_and_the_oldest_come_first(rows: Rows) -> None:
    third, first, second = (added(rows, minute) for minute in (3, 1, 2))
    known = ExportSearch(ids=(third.id, first.id, second.id))

    assert [row.id for row in rows.search(known)] == [first.id, second.id, third.id]
    assert [row.id for row in rows.search(replace(known, limit=1))] == [first.id]
    until = replace(known, created_until=second.created_at)
    assert [row.id for row in rows.search(until)] == [first.id]


def test_hostile_texts_are_only_texts(rows: Rows) -> None:
    row = added(rows)
    hostile = "'; DELETE FROM batch_exports; --"
    search = ExportSearch(
        ids=(row.id, hostile), statuses=(hostile,), projects=(hostile,), log_contains=hostile
    )

    assert rows.search(search) == []
    assert rows.get(row.id) == row


def test_lost_row_is_released_unless_it_was_touched(rows: Rows) -> None:
    row = added(rows, status="PROCESSING", log="old", url="https://old")

    assert not rows.requeue_lost(row.id, LONG_AGO - SECOND)
    assert rows.requeue_lost(row.id, LONG_AGO)
    assert not rows.requeue_lost(row.id, NOW)

    found = rows.get(row.id)
    assert found is not None
    assert (found.status, found.log, found.url) == ("QUEUED", None, None)


def test_touched_row_is_younger_and_otherwise_as_it_was(rows: Rows) -> None:
    row = added(rows, status="PROCESSING")

    assert rows.touch(row.id, "run")
    assert not rows.requeue_lost(row.id, LONG_AGO)

    found = rows.get(row.id)
    assert found is not None
    assert found.updated_at > row.updated_at
    assert replace(found, updated_at=row.updated_at) == row


@pytest.mark.parametrize("status", ["QUEUED", "COMPLETED", "FAILED", "CANCELLED"])
def test_only_a_row_in_work_is_touched(rows: Rows, status: str) -> None:
    row = added(rows, status=status)

    assert not rows.touch(row.id, "run")
    assert rows.get(row.id) == row


@pytest.mark.parametrize("status", ["QUEUED", "COMPLETED", "FAILED", "CANCELLED"])
def test_only_a_row_in_work_is_released(rows: Rows, status: str) -> None:
    assert not rows.requeue_lost(added(rows, status=status).id, NOW)


def test_requeue_can_be_bound_to_one_state(rows: Rows) -> None:
    cancelled, failed = added(rows, status="CANCELLED"), added(rows, status="FAILED")

    assert not rows.requeue(cancelled.id, only="FAILED")
    assert rows.requeue(failed.id, only="FAILED")
