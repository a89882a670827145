"""How many rows of a chunk there are now, for every table that can be exported."""

from datetime import datetime
from typing import Any

import pytest

from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline.defs.ops.stream_chunks import planned
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_reading import ChunkReader, PlanTables, RowsLeft
from lf_export_pipeline_tests.effort import some
from lf_export_pipeline_tests.exporting import CUTOFF, Project
from lf_export_pipeline_tests.fakes import MemorySpool
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [pytest.mark.services, pytest.mark.sampled]

SIZE = SampleSize(traces=40, observations_per_trace=2, dataset_items=20, audit_logs=20)
UNTIL = datetime(2031, 3, 10, tzinfo=CUTOFF.tzinfo)
TABLES = ["traces", "observations", "scores", "sessions", "events"]
TABLES += ["dataset_items", "dataset_run_items", "audit_logs"]


@pytest.fixture(scope="module")
def sample(stack: LocalStack, new_project: NewProject) -> Project:
    project = new_project()
    generate_sample(stack.addresses(), project.id, SIZE, until=UNTIL)
    return project


@pytest.mark.parametrize("events", [False, True], ids=["tables", "events"])
@pytest.mark.parametrize("table", TABLES)
def test_as_many_rows_are_left_as_were_planned(
    sample: Project, table: str, *, events: bool
) -> None:
    asked: dict[str, Any] = {"useEventsTable": True} if events else {}
    query = resolved(sample.request(table, **asked), sample.reader, sample.settings)
    folder = AttemptFolder(MemorySpool(), "export/run")
    _, chunks = planned(query, sample.reader, folder, 600)
    assert len(chunks) > 1
    assert query.chunk_rows is not None
    is_postgres = query.chunk_rows.store is Store.POSTGRES
    read = folder.read_text_keys if is_postgres else folder.read_packed_keys
    rows = ChunkReader(sample.reader, PlanTables())
    for chunk in some(chunks):
        found = rows.rows_left(query, chunk, read(chunk.index))
        assert found == RowsLeft(chunk.rows, lags=False)
        assert chunk.rows > 0
