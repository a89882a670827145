"""The whole job, from the row to the link in it, while others write as fast as they can."""

import json
import re
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.concurrent_clickhouse import (
    add_first_versions,
    clickhouse_writers,
)
from lf_export_pipeline_tests.integration.core.concurrent_items import (
    SHOWN_OF_ITEMS,
    Items,
    item_writers,
)
from lf_export_pipeline_tests.integration.core.concurrent_promises import Promises
from lf_export_pipeline_tests.integration.core.concurrent_reader import BesideWriters
from lf_export_pipeline_tests.integration.core.concurrent_subjects import TRACES
from lf_export_pipeline_tests.integration.core.concurrent_writers import CREATED_AT, Busy, iso

pytestmark = [pytest.mark.services, pytest.mark.long]

CHUNK_ROWS = 400
OPS = {node.name for node in batch_export_job().nodes}


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended: the row, the ops that did what they should, and how many chunks."""

    row: ExportRow
    ops: set[str]
    chunks: int

    def rows(self) -> list[dict[str, Any]]:
        """What the user gets who follows the link."""
        with urllib.request.urlopen(self.row.url or "", timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lf_export_pipeline.core.query.chunk_plan.CHUNK_MAX_ROWS", CHUNK_ROWS)


def test_job_on_clickhouse_keeps_its_promises_while_others_write(
    project: Project, instance: dg.DagsterInstance
) -> None:
    add_first_versions(project, TRACES)
    writers = clickhouse_writers(project, TRACES)
    check_job(project, instance, "traces", writers, tuple(TRACES.shown.values()))


def test_job_on_postgres_keeps_its_promises_while_others_write(
    project: Project, instance: dg.DagsterInstance
) -> None:
    items = Items(project)
    items.add_first_versions()
    check_job(project, instance, "dataset_items", item_writers(items), SHOWN_OF_ITEMS)


def check_job(
    project: Project,
    instance: dg.DagsterInstance,
    table: str,
    writers: AbstractContextManager[Busy],
    shown: Sequence[str],
) -> None:
    before = project.export(table, created_at=CREATED_AT).rows
    with writers as busy:
        promises = Promises.now(busy, before, shown)
        ran = run_job(project, instance, table, busy)
        assert ran.row.status == "COMPLETED"
        idle, broken = busy.idle(), promises.broken(ran.rows(), busy)
    assert re.fullmatch(r"[\d,]+ rows were deleted while the export ran\.", ran.row.log or "")
    assert ran.ops == OPS
    assert ran.chunks > 4
    assert (broken, idle) == ({}, set())


def run_job(project: Project, instance: dg.DagsterInstance, table: str, busy: Busy) -> Ran:
    """An export by all ops, with the stores, the bucket and the row as in production."""
    row = queued(project, table)
    project.add_to_postgres("batch_exports", row)
    with open_resources(Settings.load(project.addresses.environment())) as ports:
        reader: Any = ports["reader"]
        beside = {**ports, "reader": BesideWriters(reader, busy)}
        result = run_export(batch_export_job(retries=None), instance, row["id"], beside)
        rows: Any = ports["export_rows"]
        ended = rows.get(row["id"])
    steps = [str(event.step_key).partition("[")[0] for event in result.get_step_success_events()]
    return Ran(ended, set(steps), progress_of(instance, result.run_id).done_chunks)


def queued(project: Project, table: str) -> Mapping[str, Any]:
    """As Langfuse writes it when a user asks for a table."""
    return {
        "id": f"export-{uuid.uuid4().hex}",
        "user_id": "nobody",
        "name": "n",
        "status": "QUEUED",
        "format": "JSONL",
        "query": {"tableName": table, "filter": [], "orderBy": None},
        "created_at": iso(CREATED_AT),
        "updated_at": iso(CREATED_AT),
    }
