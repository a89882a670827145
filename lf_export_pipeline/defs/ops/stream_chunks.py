"""Scans the keys: from here on it is known which rows are exported, and in which pieces."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import dagster as dg

from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.chunk_plan import (
    MEBIBYTE,
    bind_chunk,
    chunk_ends,
    sample_spans,
    union_all,
)
from lf_export_pipeline.core.query.export_query import Chunk, ChunkList, ExportPlan, ExportQuery
from lf_export_pipeline.core.query.freshness import with_newest
from lf_export_pipeline.defs.ops.attempts import CLICKHOUSE_POOL, Attempts
from lf_export_pipeline.file.attempt_folder import CHUNKS, AttemptFolder
from lf_export_pipeline.settings import Settings

if TYPE_CHECKING:
    from lf_export_pipeline.file.key_chunks import ScannedKeys

DEFAULT_ROW_BYTES = 2_000.0  # where there are no rows to take a sample from


@dg.op(
    out={
        "plan": dg.Out(ExportPlan, is_required=False),
        "chunks": dg.DynamicOut(ChunkList),
    },
    pool=CLICKHOUSE_POOL,
)
def stream_chunks(
    context: dg.OpExecutionContext,
    query: ExportQuery,
    *,
    attempts: dg.ResourceParam[Attempts],
    reader: dg.ResourceParam[RowReader],
) -> Iterator[dg.Output[ExportPlan] | dg.DynamicOutput[ChunkList]]:
    """Scans the keys; emits the plan and the chunks of each step, none if there are no rows."""
    with attempts.running(context) as attempt:
        attempt.require_running()
        target_bytes = attempt.settings.lf_export_chunk_target_mib * MEBIBYTE
        plan_folder = attempt.folder.plan(context.run_id)
        plan, chunks = planned(query, attempt.tagged(reader), plan_folder, target_bytes)
        plan_folder.write(CHUNKS, ChunkList(chunks=tuple(chunks)))
        context.log.info(_summary(plan))
        context.add_output_metadata({"rows": plan.rows, "chunks": len(chunks)}, output_name="plan")
        yield dg.Output(plan, output_name="plan")
        for step in steps_of(chunks, attempt.settings):
            first, rows = step.chunks[0], sum(chunk.rows for chunk in step.chunks)
            yield dg.DynamicOutput(
                step,
                mapping_key=f"{first.index:05d}",
                output_name="chunks",
                metadata={"chunks": len(step.chunks), "rows": rows, "first_row": first.first_row},
            )


def steps_of(chunks: Sequence[Chunk], settings: Settings) -> list[ChunkList]:
    """The chunks that each step writes, in the order of the file.

    A step costs nine events and, in a process of its own, seconds; so it is given work for about
    ten. Steps are as long as each other, so that processes beside each other end together.
    """
    most = max(1, settings.lf_export_step_target_mib // settings.lf_export_chunk_target_mib)
    steps = math.ceil(len(chunks) / most)
    ends = [len(chunks) * step // steps for step in range(steps + 1)] if steps else []
    return [ChunkList(chunks=tuple(chunks[start:end])) for start, end in pairwise(ends)]


def planned(
    query: ExportQuery, reader: RowReader, folder: AttemptFolder, target_bytes: int
) -> tuple[ExportPlan, list[Chunk]]:
    """The plan of an export, whose keys are in the spool."""
    keys = _scanned(query, reader)
    own_bytes = _row_bytes(query, reader, keys)
    row_bytes = [size + query.score_columns_bytes for size in own_bytes]
    ends = chunk_ends(keys.rows, row_bytes, target_bytes)
    chunks = list(_spooled(keys, ends, folder))
    plan = ExportPlan(
        query=query,
        folder=folder.path,
        rows=keys.rows,
        limit_hit=keys.limit_hit,
        chunk_rows=tuple(chunk.rows for chunk in chunks),
        estimated_bytes=math.ceil(keys.rows * sum(row_bytes) / len(row_bytes)),
    )
    return plan, chunks


def _summary(plan: ExportPlan) -> str:
    cut = f", cut at the limit of {plan.query.row_limit:,} rows" if plan.limit_hit else ""
    return f"{plan.rows:,} rows in {len(plan.chunk_rows):,} chunks{cut}"


def _scanned(query: ExportQuery, reader: RowReader) -> "ScannedKeys":
    from lf_export_pipeline.file.key_chunks import ScannedKeys  # noqa: PLC0415 - with it comes pyarrow

    if query.key_scan is None:
        return ScannedKeys([], query.row_limit)
    with reader.batches(with_newest(query.key_scan, query)) as batches:
        return ScannedKeys(batches, query.row_limit)


def _row_bytes(query: ExportQuery, reader: RowReader, keys: "ScannedKeys") -> list[float]:
    """The mean size of a row in each of equal stretches of the file, by a few rows of each."""
    runs = [keys.part(*span) for span in sample_spans(keys.rows)] if query.sample else []
    if not query.sample or not runs:
        return [DEFAULT_ROW_BYTES]
    samples = [
        bind_chunk(query.sample, run.bindable, run.lower, run.upper, suffix=f"_of_{at}_")
        for at, run in enumerate(runs)
    ]
    found = {at: _size(size) for at, size in reader.rows(union_all(samples))}
    known = [size for size in found.values() if size is not None]
    mean = sum(known) / len(known) if known else DEFAULT_ROW_BYTES
    return [mean if (size := found.get(at)) is None else size for at in range(len(runs))]


def _size(value: object) -> float | None:
    """A mean; that of no rows, which may have vanished since the scan, is NaN or NULL."""
    return value if isinstance(value, float) and not math.isnan(value) else None


def _spooled(keys: "ScannedKeys", ends: list[int], folder: AttemptFolder) -> Iterator[Chunk]:
    """The chunks, and their keys in the spool."""
    for index, (start, end) in enumerate(pairwise([0, *ends])):
        part = keys.part(start, end)
        folder.write_keys(index, part.bindable)
        yield Chunk(
            folder=folder.path,
            index=index,
            chunk_count=len(ends),
            rows=part.rows,
            first_row=start,
            total_rows=keys.rows,
            lower=part.lower,
            upper=part.upper,
            newest=keys.newest,
        )
