"""Rows that a chunk's server does not have: deleted meanwhile, or not there yet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline_tests.exporting import CUTOFF, Exported, Project

pytestmark = pytest.mark.services

TABLES = [
    ("traces", "traces", {}),
    ("observations", "observations", {}),
    ("scores", "scores", {}),
    ("sessions", "traces", {}),
    ("dataset_run_items", "dataset_run_items_rmt", {}),
    ("events", "events_full", {}),
    ("observations", "events_full", {"useEventsTable": True}),
    ("sessions", "events_core", {"useEventsTable": True}),
]
ALL = pytest.mark.parametrize(
    ("table", "stored", "options"), TABLES, ids=[f"{t} of {s}" for t, s, _ in TABLES]
)
HOURS = timedelta(hours=1)


def text(before_cutoff: timedelta) -> str:
    return f"{CUTOFF - before_cutoff:%Y-%m-%dT%H:%M:%S.000Z}"


def fill(project: Project, stored: str, before_cutoff: timedelta = HOURS) -> None:
    """Three rows, inserted one after another."""
    name = "events_full" if stored == "events_core" else stored
    key = "span_id" if name == "events_full" else "id"
    for at in range(3):
        time = text(before_cutoff - at * timedelta(minutes=1))
        row: dict[str, Any] = {key: f"row-{at}", "event_ts": time, "session_id": f"session-{at}"}
        row |= dict.fromkeys(("timestamp", "start_time", "created_at"), time)
        if name == "dataset_run_items_rmt":
            row |= {"dataset_id": "ds", "dataset_run_id": "r", "dataset_item_id": f"item-{at}"}
        known = set(project.client.query_df(f"DESCRIBE {name}")["name"])
        project.add(name, {column: value for column, value in row.items() if column in known})


@dataclass
class Replica:
    """Takes rows away from the embedded server, as if it were one that has not got them yet."""

    project: Project
    stored: str

    def lose(self, *rows: int) -> None:
        """These rows, by number, are not there."""
        key = "span_id" if self.stored.startswith("events") else "id"
        names = ", ".join(f"'row-{at}'" for at in rows)
        condition = f"project_id = '{self.project.id}' AND {key} IN ({names})"
        self.project.client.command(f"DELETE FROM {self.stored} WHERE {condition}")


def exported(
    project: Project, table: str, options: dict[str, Any], meanwhile: Callable[[], None]
) -> Exported:
    return project.export(table, before_reading=meanwhile, **options)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lf_export_pipeline.defs.ops.serialize_chunk.LAG_SECONDS", 0)


@ALL
def test_what_a_server_that_lags_behind_does_not_have_was_not_deleted(
    project: Project, table: str, stored: str, options: dict[str, Any]
) -> None:
    fill(project, stored)
    replica = Replica(project, stored)
    with pytest.raises(TransientError, match="lags behind the one that was scanned"):
        exported(project, table, options, lambda: replica.lose(2))


@ALL
def test_what_was_deleted_on_a_server_that_knows_the_rest_is_gone(
    project: Project, table: str, stored: str, options: dict[str, Any]
) -> None:
    fill(project, stored)
    found = exported(project, table, options, lambda: Replica(project, stored).lose(0))
    assert (found.chunk_rows, found.part_rows) == ((3,), (2,))


def test_of_a_project_without_recent_rows_nothing_lags(project: Project) -> None:
    fill(project, "traces", before_cutoff=9 * 24 * HOURS)
    found = exported(project, "traces", {}, lambda: Replica(project, "traces").lose(2))
    assert found.part_rows == (2,)


def test_younger_rows_show_that_a_server_knows_the_older_ones(project: Project) -> None:
    """A deletion of the newest row is one as soon as anything newer is there."""
    fill(project, "traces")

    def delete_the_newest_and_go_on() -> None:
        Replica(project, "traces").lose(2)
        later = text(-HOURS)
        project.add("traces", {"id": "later", "timestamp": later, "event_ts": later})

    found = exported(project, "traces", {}, delete_the_newest_and_go_on)
    assert found.part_rows == (2,)
    assert found.ids == ["row-0", "row-1"]
