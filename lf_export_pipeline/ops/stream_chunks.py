"""Scans the keys: from here on it is known which rows are exported, and in which pieces."""

from collections.abc import Iterator

import dagster as dg

from lf_export_pipeline.attempt_folder import AttemptFolder
from lf_export_pipeline.core.plan import MEBIBYTE, rows_of_chunk
from lf_export_pipeline.core.ports import ExportRows, FileStore, RowReader, Spool
from lf_export_pipeline.core.query import Chunk, ChunkList, ExportPlan, ExportQuery
from lf_export_pipeline.key_chunks import KeyCutter
from lf_export_pipeline.ops.boundary import (
    CLICKHOUSE_POOL,
    export_errors,
    leave_nothing,
    require_running,
    tagged,
)
from lf_export_pipeline.runs import root_run_id
from lf_export_pipeline.settings import Settings

DEFAULT_ROW_BYTES = 2_000.0  # where there are no rows to take a sample from
CHUNKS = "chunks"


@dg.op(
    out={
        "plan": dg.Out(ExportPlan, is_required=False),
        "chunks": dg.DynamicOut(Chunk),
    },
    pool=CLICKHOUSE_POOL,
)
def stream_chunks(
    context: dg.OpExecutionContext,
    query: ExportQuery,
    *,
    settings: dg.ResourceParam[Settings],
    reader: dg.ResourceParam[RowReader],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[FileStore],
    export_rows: dg.ResourceParam[ExportRows],
) -> Iterator[dg.Output[ExportPlan] | dg.DynamicOutput[Chunk]]:
    """Emits the plan and one description per chunk; an empty export has no chunks."""
    folder = AttemptFolder.of(spool, context.partition_key, root_run_id(context.run))
    stopped = leave_nothing(context, spool, files, export_rows)
    with export_errors(context, export_rows, when_stopped=stopped):
        require_running(context, export_rows)
        target_bytes = settings.lf_export_chunk_target_mib * MEBIBYTE
        plan_folder = folder.plan(context.run_id)
        plan, chunks = planned(query, tagged(reader, context), plan_folder, target_bytes)
        plan_folder.write(CHUNKS, ChunkList(chunks=tuple(chunks)))
        context.log.info(_summary(plan))
        context.add_output_metadata({"rows": plan.rows, "chunks": len(chunks)}, output_name="plan")
        yield dg.Output(plan, output_name="plan")
        for chunk in chunks:
            yield dg.DynamicOutput(
                chunk,
                mapping_key=f"{chunk.index:05d}",
                output_name="chunks",
                metadata={"rows": chunk.rows, "first_row": chunk.first_row},
            )


def planned(
    query: ExportQuery, reader: RowReader, folder: AttemptFolder, target_bytes: int
) -> tuple[ExportPlan, list[Chunk]]:
    """The plan of an export, whose keys are in the spool; only one chunk's are ever in memory."""
    row_bytes = _row_bytes(query, reader)
    cutter = KeyCutter(
        lambda index: rows_of_chunk(index, row_bytes, query.row_limit, target_bytes),
        query.row_limit,
    )
    drafts = list(_spooled(query, reader, folder, cutter))
    rows = sum(draft.rows for draft in drafts)
    plan = ExportPlan(
        query=query,
        folder=folder.path,
        rows=rows,
        limit_hit=cutter.limit_hit,
        chunk_rows=tuple(draft.rows for draft in drafts),
    )
    totals = {"chunk_count": len(drafts), "total_rows": rows}
    return plan, [draft.model_copy(update=totals) for draft in drafts]


def _summary(plan: ExportPlan) -> str:
    cut = f", cut at the limit of {plan.query.row_limit:,} rows" if plan.limit_hit else ""
    return f"{plan.rows:,} rows in {len(plan.chunk_rows):,} chunks{cut}"


def _row_bytes(query: ExportQuery, reader: RowReader) -> float:
    sampled = reader.rows(query.sample) if query.sample else []
    value = sampled[0][0] if sampled else None
    # The mean of no rows is NaN, which is not equal to itself.
    return float(value) if isinstance(value, (int, float)) and value == value else DEFAULT_ROW_BYTES  # noqa: PLR0124


def _spooled(
    query: ExportQuery, reader: RowReader, folder: AttemptFolder, cutter: KeyCutter
) -> Iterator[Chunk]:
    """The chunks as far as they are known while the scan runs."""
    if query.key_scan is None:
        return
    first_row = 0
    with reader.batches(query.key_scan) as batches:
        for index, found in enumerate(cutter.chunks(batches)):
            folder.write_keys(index, found.keys)
            yield Chunk(
                folder=folder.path,
                index=index,
                chunk_count=0,
                rows=found.rows,
                first_row=first_row,
                total_rows=0,
                lower=found.lower,
                upper=found.upper,
            )
            first_row += found.rows
