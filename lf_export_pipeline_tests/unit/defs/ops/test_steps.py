"""Several chunks make a step; whoever resumes goes on with the chunk that is missing."""

import dagster as dg
import pytest

from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.query.export_query import Chunk
from lf_export_pipeline.defs.ops.stream_chunks import steps_of
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT, World

CHUNKS = {"LF_EXPORT_CHUNK_TARGET_MIB": "1"}


def settings_of(chunk_mib: int, step_mib: int) -> Settings:
    sizes = {
        "LF_EXPORT_CHUNK_TARGET_MIB": str(chunk_mib),
        "LF_EXPORT_STEP_TARGET_MIB": str(step_mib),
    }
    return Settings.load(ENVIRONMENT | sizes)


def chunks(count: int) -> list[Chunk]:
    return [
        Chunk(folder="f", index=at, chunk_count=count, rows=1, first_row=at, total_rows=count)
        for at in range(count)
    ]


@pytest.fixture
def world() -> World:
    """Ten rows in four chunks."""
    made = World(export_row(), environment=dict(CHUNKS))
    made.reader.row_bytes = 340_000.0
    return made


@pytest.mark.parametrize(
    ("count", "chunk_mib", "step_mib", "sizes"),
    [
        (0, 128, 1024, []),
        (1, 128, 1024, [1]),
        (8, 128, 1024, [8]),
        (9, 128, 1024, [4, 5]),
        (200, 128, 1024, [8] * 25),
        (3, 128, 1, [1, 1, 1]),
    ],
)
def test_steps_are_as_long_as_each_other_and_no_longer_than_is_set(
    count: int, chunk_mib: int, step_mib: int, sizes: list[int]
) -> None:
    steps = steps_of(chunks(count), settings_of(chunk_mib, step_mib))

    assert [len(step.chunks) for step in steps] == sizes
    assert [chunk.index for step in steps for chunk in step.chunks] == list(range(count))


def steps_in(result: dg.ExecuteInProcessResult) -> list[str]:
    keys = [str(event.step_key) for event in result.get_step_success_events()]
    return [key for key in keys if key.startswith("serialize_chunk")]


@pytest.mark.parametrize(("step_mib", "steps"), [("1", 4), ("2", 2), ("1024", 1)])
def test_a_file_is_the_same_however_many_steps_write_it(
    world: World, step_mib: str, steps: int
) -> None:
    world.environment["LF_EXPORT_STEP_TARGET_MIB"] = step_mib

    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)
        progress = progress_of(instance, result.run_id)

    assert len(steps_in(result)) == steps
    assert world.state.status == "COMPLETED"
    assert len(world.text.splitlines()) == 1 + world.numbers
    assert (progress.done_chunks, progress.chunks) == (4, 4)
    assert progress.done_rows == progress.rows == world.numbers


def test_a_step_that_is_tried_again_reads_no_chunk_twice(world: World) -> None:
    tried: list[list[int]] = []

    def fail_once(numbers: list[int]) -> None:
        tried.append(numbers)
        if len(tried) == 3:
            raise TransientError("The server is away.")

    world.reader.before_rows = fail_once

    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)

    assert world.state.status == "COMPLETED"
    assert len(steps_in(result)) == 1
    assert tried[2] == tried[3]
    assert len(tried) == 5
