"""A row that waits, as the sensor meets it: failed in a sentence, or a run that Dagster keeps."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.defs import job
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.lifecycle.decision import BAD_ID_MESSAGE
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.ticks import tick
from lf_export_pipeline_tests.unit.fuzz import strategies as hostile
from lf_export_pipeline_tests.unit.fuzz.conftest import EXAMPLES
from lf_export_pipeline_tests.unit.fuzz.test_hostile_input import assert_is_a_sentence
from lf_export_pipeline_tests.world import ENVIRONMENT

pytestmark = pytest.mark.fuzz

FUZZED = settings(settings.get_profile("fuzz"), max_examples=EXAMPLES)
NOON = datetime(2031, 3, 20, 12, tzinfo=UTC)
JOB = batch_export_job()
SETTINGS = Settings.load({**ENVIRONMENT, "LF_EXPORT_STARTS_PER_TICK": "2"})  # on one core too
GOOD = StoredExport(
    id="good", project_id="project", user_id="user", created_at=NOON, updated_at=NOON,
    name="export", status="QUEUED", format="CSV",
    query={"tableName": "traces", "filter": [], "orderBy": None},
)  # fmt: skip
NAME_MAX_BYTES = 255  # what file systems take
INDEXED_MAX_BYTES = 2_700  # what Postgres, where Dagster keeps its runs, takes into an index

row_texts = st.fixed_dictionaries(
    {
        "id": hostile.any_id,
        "project_id": hostile.any_id,
        "user_id": hostile.any_text,
        "name": hostile.any_text,
        "format": st.sampled_from(["CSV", "JSON", "JSONL"]) | hostile.any_text,
        "query": hostile.queries,
    }
)


@dataclass
class Database:
    """What Dagster finds when it asks for the tags of a partition."""

    exports: FakeBatchExportRepository


@dataclass
class Look:
    """One look of the sensor at a table of rows, on Dagster's own records."""

    instance: dg.DagsterInstance
    database: Database

    def requests(self, rows: FakeBatchExportRepository) -> list[dg.RunRequest]:
        """What the sensor asks for, to which Dagster would find nothing to add."""
        self.database.exports = rows
        result = tick(self.instance, rows, SETTINGS)
        requests = list(result.run_requests or [])
        for request in requests:
            resolved = request.with_resolved_tags_and_config(
                target_definition=JOB,
                dynamic_partitions_requests=result.dynamic_partitions_requests or [],
                dynamic_partitions_store=self.instance,
            )
            assert resolved.tags == request.tags
        return requests


@pytest.fixture(scope="module")
def look() -> Iterator[Look]:
    database = Database(FakeBatchExportRepository())
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Settings, "load", lambda: SETTINGS)
        patch.setattr(job, "cached_database", lambda _: database)
        yield Look(instance, database)


@FUZZED
@given(values=row_texts)
@example(values={"id": ""})
@example(values={"id": "x" * 5_000})
@example(values={"id": "é" * 100})
@example(values={"id": "a,b"})
@example(values={"id": "a...b"})
@example(values={"query": {"tableName": "\ud800\x00"}, "format": "\ud800\x00"})
def test_a_row_that_waits_is_failed_in_a_sentence_or_gets_a_run_that_dagster_can_keep(
    look: Look, values: dict[str, Any]
) -> None:
    row = replace(GOOD, **values)
    rows = FakeBatchExportRepository(row, GOOD)
    requests = look.requests(rows)
    is_failed = rows.rows[row.id].status == "FAILED"
    asked_for = sorted(request.partition_key or "" for request in requests)
    assert asked_for == sorted({GOOD.id} if is_failed else {GOOD.id, row.id})
    for request in requests:
        assert_can_be_kept(request)
    if is_failed:
        assert rows.rows[row.id].log == BAD_ID_MESSAGE
        return
    try:
        assert parse_request(row).project_id == row.project_id
    except ExportError as error:
        assert_is_a_sentence(error)


def assert_can_be_kept(request: dg.RunRequest) -> None:
    assert request.partition_key
    assert "," not in request.partition_key  # the UI divides a list of partitions there
    dg.StaticPartitionsDefinition([request.partition_key])  # knows which words a key cannot hold
    assert len(export_folder(request.partition_key)) <= NAME_MAX_BYTES
    assert request.tags[PARTITION_TAG] == request.partition_key
    assert request.run_key == f"{request.partition_key}:1"
    for name, value in request.tags.items():
        assert value.isprintable()  # neither NUL nor half a character, which no database takes
        assert 0 < len(f"{name}{value}".encode()) < INDEXED_MAX_BYTES
