"""How many bytes a chunk has where the rows of an export differ in size."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline.defs.ops.serialize_chunk import ChunkWriter
from lf_export_pipeline.defs.ops.stream_chunks import planned
from lf_export_pipeline.file.assembled_file import writer_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_files import ChunkFiles
from lf_export_pipeline.file.chunk_reading import ChunkReader, PlanTables
from lf_export_pipeline_tests.effort import long
from lf_export_pipeline_tests.exporting import Project, Row, where
from lf_export_pipeline_tests.fakes import MemorySpool

pytestmark = pytest.mark.services

SHORT, LONG = "2031-03-01T12:00:00.000Z", "2031-03-02T12:00:00.000Z"
SHORT_ROWS, LONG_ROWS = 1_600, 200
TEXT = "0123456789" * 1_000
TARGET_BYTES = 200_000
COLUMNS = {
    "traces": ("id", "timestamp"),
    "observations": ("id", "start_time"),
    "events_full": ("span_id", "start_time"),
    "scores": ("id", "timestamp"),
}

SHAPED: Mapping[str, Callable[[str], Any]] = {
    "tags": lambda text: [text],
    "tool_calls": lambda text: [text],
    "tool_definitions": lambda text: {"tool": text},
}
"""How the columns hold a text that are no texts themselves."""


def part_bytes(project: Project, table: str, *filters: Row, **asked: Any) -> list[int]:
    """The bytes of each chunk that the real plan of an export has."""
    query = resolved(project.request(table, filters, **asked), project.reader, project.settings)
    folder = AttemptFolder(MemorySpool(), "export/run")
    _, chunks = planned(query, project.reader, folder, TARGET_BYTES)
    writer, rows = writer_of(query), ChunkReader(project.reader, PlanTables())
    file = ChunkFiles(folder)
    return [
        ChunkWriter(rows, writer, query, chunk, folder, file=file, preview=False).verified().bytes
        for chunk in chunks
    ]


def add_rows(project: Project, table: str, column: str) -> None:
    """Short rows, then long ones of a later day."""
    id_column, time_column = COLUMNS[table]
    for day, count, text in ((SHORT, SHORT_ROWS, "x"), (LONG, LONG_ROWS, TEXT)):
        row = {time_column: day, column: SHAPED.get(column, str)(text)}
        project.add(table, *({id_column: f"{day}-{at:05d}", **row} for at in range(count)))


@pytest.mark.parametrize(
    ("table", "from_events", "stored_in", "column"),
    [
        ("traces", False, "traces", "input"),
        long("traces", False, "traces", "tags"),
        long("observations", False, "observations", "output"),
        ("observations", False, "observations", "status_message"),
        long("observations", False, "observations", "model_parameters"),
        long("observations", False, "observations", "tool_definitions"),
        long("observations", False, "observations", "tool_calls"),
        long("observations", True, "events_full", "tool_definitions"),
        ("events", False, "events_full", "input"),
        long("events", False, "events_full", "status_message"),
        ("events", False, "events_full", "tags"),
        ("scores", False, "scores", "comment"),
    ],
)
def test_chunks_of_long_rows_are_as_large_as_those_of_short_ones(
    project: Project, table: str, from_events: bool, stored_in: str, column: str
) -> None:
    add_rows(project, stored_in, column)

    sizes = part_bytes(project, table, useEventsTable=from_events)

    assert sum(sizes) > LONG_ROWS * len(TEXT)
    assert max(sizes) < 2 * TARGET_BYTES


def test_sample_is_of_the_rows_that_the_filters_select(project: Project) -> None:
    add_rows(project, "traces", "input")

    sizes = part_bytes(project, "traces", where("timestamp", "datetime", ">=", LONG))

    assert len(sizes) in {10, 11}  # of two megabytes and a little


def test_rows_of_postgres_are_measured_too(project: Project) -> None:
    project.add_to_postgres("datasets", {"id": "ds", "name": "data"})
    day = {"created_at": SHORT, "dataset_id": "ds"}
    rows = [(SHORT, "x")] * SHORT_ROWS + [(LONG, TEXT)] * LONG_ROWS
    project.add_to_postgres(
        "dataset_items",
        *(
            {"id": f"{at:05d}", "valid_from": valid_from, "input": text, **day}
            for at, (valid_from, text) in enumerate(rows)
        ),
    )

    assert max(part_bytes(project, "dataset_items")) < 2 * TARGET_BYTES


@pytest.mark.parametrize("file_format", ["JSON", "JSONL", "CSV"])
def test_a_chunk_has_its_size_also_where_score_names_make_the_rows(
    project: Project, file_format: str
) -> None:
    row = {"timestamp": SHORT}
    project.add("traces", *({"id": f"trace-{at:04d}", **row} for at in range(200)))
    names = [f"{at:01000d}" for at in range(40)]
    scores = [{"id": name[-4:], "name": name, "value": 1, **row} for name in names]
    project.add("scores", *({**score, "trace_id": "trace-0001"} for score in scores))

    sizes = part_bytes(project, "traces", file_format=file_format)

    assert max(sizes) < 1.5 * TARGET_BYTES
    assert len(sizes) == 1 if file_format == "CSV" else len(sizes) >= 40
