"""Puts the object together in the bucket and publishes the file in one guarded update."""

from collections.abc import Iterator

import dagster as dg

from lf_export_pipeline.core.errors import ExportCancelledError
from lf_export_pipeline.core.ports import RowReader, Spool
from lf_export_pipeline.core.query.export_query import (
    Chunk,
    ChunkList,
    ExportPlan,
    SerializedChunk,
    StoredFile,
)
from lf_export_pipeline.core.request.validation_messages import join_limited
from lf_export_pipeline.defs.metadata import asset_event
from lf_export_pipeline.defs.ops.attempts import Attempt, Attempts
from lf_export_pipeline.defs.ops.serialize_chunk import serialized_chunk
from lf_export_pipeline.defs.progress_format import format_progress
from lf_export_pipeline.file.attempt_folder import CHUNKS, STORED, AttemptFolder
from lf_export_pipeline.file.chunk_sink import ChunkTarget
from lf_export_pipeline.file.cleanup import is_published_as
from lf_export_pipeline.file.file_names import file_name
from lf_export_pipeline.file.preview import PREVIEW, Preview
from lf_export_pipeline.file.uploading import stored_file
from lf_export_pipeline.lifecycle.notices import owe_ready


@dg.op(out=dg.Out(StoredFile, is_required=False))
def upload_file(
    context: dg.OpExecutionContext,
    plan: ExportPlan,
    serialized: list[list[SerializedChunk]],
    *,
    attempts: dg.ResourceParam[Attempts],
    reader: dg.ResourceParam[RowReader],
) -> Iterator[dg.Output[StoredFile]]:
    """Uploads and checks the file, signs its link and sets the row COMPLETED.

    A row that belongs to another run by now is left alone. Every run that has a plan gets here, so
    this op also cleans up after an export that was stopped.
    """
    known = [chunk for step in serialized for chunk in step]
    with attempts.running(context) as attempt:
        stored = published_before(attempt)
        if stored is None:
            attempt.require_running()
            rows = attempt.chunk_reader(reader)
            with attempt.file(plan, known) as file:
                for chunk in missing_chunks(plan, file, attempt.spool):
                    attempt.require_running()
                    made = serialized_chunk(chunk, plan.query, rows, file, attempt)
                    context.log.info(format_progress(chunk, made.seconds))
                stored = stored_file(plan, file, attempt.files, attempt.settings)
            attempt.folder.write(STORED, stored)
            facts = {"rows": stored.rows, "size": stored.bytes}
            owe_ready(context.instance, context.run_id, stored.object_key, **facts)
            publish(stored, attempt)
        line = f"{stored.rows:,} rows, {stored.bytes:,} bytes uploaded as {stored.object_key}"
        context.log.info(line)
        most, page = attempt.settings.limits.event_bytes, attempt.settings.nextauth_url
        preview = AttemptFolder(attempt.spool, plan.folder).read(PREVIEW, Preview)
        event = asset_event(context, stored, plan, preview, most, nextauth_url=page)
        context.log_event(event)
        yield dg.Output(stored)


def published_before(attempt: Attempt) -> StoredFile | None:
    """What an earlier try of this attempt has published, if it ended before it could say so.

    The answer to the update may be lost, or the process killed right after it: the export is
    COMPLETED with this attempt's file then, and what is left to do is the e-mail.
    """
    stored = attempt.folder.read(STORED, StoredFile)
    if stored is None:
        return None
    row = attempt.row()
    is_done = row is not None and row.status == "COMPLETED"
    return stored if row and is_done and is_published_as(row, stored.object_key) else None


def missing_chunks(plan: ExportPlan, file: ChunkTarget, spool: Spool) -> list[Chunk]:
    """The chunks that no step has finished.

    Dagster resumes a run that was killed with the mapped steps that had begun, and leaves out those
    that had not; then it is up to this op.
    """
    missing = {index for index in range(len(plan.chunk_rows)) if file.finished(index) is None}
    known = AttemptFolder(spool, plan.folder).read(CHUNKS, ChunkList) if missing else None
    return [chunk for chunk in known.chunks if chunk.index in missing] if known else []


def publish(stored: StoredFile, attempt: Attempt) -> None:
    """Sign a link and set the row COMPLETED.

    Raises:
        ExportCancelledError: The row is another's, or in a state that nothing is published in. Then
            the object goes with the attempt, unless a run that was taken for dead has published it.
    """
    name = file_name(stored.request)
    url = attempt.files.signed_url(stored.object_key, attempt.settings.link_lifetime, name)
    is_published = attempt.export_rows.complete(
        stored.request.export_id,
        attempt.owner,
        url,
        finished_at=stored.finished_at,
        expires_at=stored.expires_at,
        log=row_log(stored),
    )
    if not is_published:
        raise ExportCancelledError(
            "The export was cancelled or finished elsewhere; this run leaves no file."
        )


def row_log(stored: StoredFile) -> str | None:
    """What the user is told beside the link: only what is missing from the file."""
    sentences = []
    if stored.limit_hit:
        sentences.append(
            f"The export was cut at the limit of {stored.row_limit:,} rows; there are more."
        )
    if stored.vanished_rows:
        sentences.append(f"{stored.vanished_rows:,} rows were deleted while the export ran.")
    if stored.unfit:
        sentences.append(
            f"{sum(stored.unfit.values()):,} values do not fit the types of this format and are "
            f"missing from the file, in {join_limited(sorted(stored.unfit))}; CSV has them."
        )
    if stored.remark:
        sentences.append(stored.remark)
    return " ".join(sentences) or None
