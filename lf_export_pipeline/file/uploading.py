"""Writes the object of an export from its chunks, and tells what has become of it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from lf_export_pipeline.core.errors import PermanentError, TransientError, UploadLostError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.query.chunk_plan import estimated_bytes
from lf_export_pipeline.core.query.export_query import (
    Chunk,
    ExportPlan,
    SerializedChunk,
    StoredFile,
    rows_by,
    unfit_of,
)
from lf_export_pipeline.core.request.column_groups import SCORES
from lf_export_pipeline.core.request.validation_messages import join_limited
from lf_export_pipeline.file.assembled_file import AssembledFile, size_of, writer_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_files import ChunkFiles
from lf_export_pipeline.file.chunk_sink import ChunkTarget
from lf_export_pipeline.file.cleanup import abort_uploads_to
from lf_export_pipeline.file.object_name import ObjectName
from lf_export_pipeline.file.sent_object import SentObject
from lf_export_pipeline.file.upload_ahead import UploadsAhead
from lf_export_pipeline.file.upload_note import abort_noted
from lf_export_pipeline.settings import Settings


class ExportFile(ChunkTarget, Protocol):
    """The file of an export, from its first chunk to its object."""

    def offer(self, chunk: Chunk, serialized: SerializedChunk) -> None:
        """This chunk is finished, and those before it."""
        ...

    def sent(self, chunks: Sequence[SerializedChunk]) -> SentObject:
        """The object of all chunks, complete and proven.

        Raises:
            TransientError: A chunk is damaged, or the bucket did not take the file.
        """
        ...


class SpoolFile(ChunkFiles):
    """A file that is kept in the spool until all of it is there; some is sent ahead.

    Args:
        plan: Of the file.
        folder: The attempt's.
        files: The bucket.
        settings: What is set.
        known: Chunks that need not be looked for.
        ahead: The upload that runs beside the steps.
    """

    def __init__(
        self,
        plan: ExportPlan,
        folder: AttemptFolder,
        files: ObjectStore,
        settings: Settings,
        *,
        known: Sequence[SerializedChunk],
        ahead: UploadsAhead,
    ) -> None:
        super().__init__(AttemptFolder(folder.spool, plan.folder), known)
        prefix, request = settings.langfuse_s3_batch_export_prefix, plan.query.request
        self._plan = plan
        self._attempt = folder
        self._spool = folder.spool
        self._files = files
        self._ahead = ahead
        self._writer = writer_of(plan.query)
        self._name = ObjectName(request, folder, files, prefix, self._writer.extension)

    def offer(self, chunk: Chunk, serialized: SerializedChunk) -> None:
        """Send it when those before it have been sent; the first one begins the upload."""
        if chunk.chunk_count > 1:
            expected_bytes = estimated_bytes(serialized.bytes, serialized.rows, chunk.total_rows)
            send = partial(self._send, expected_bytes=expected_bytes)
            self._ahead.offer(chunk.folder, serialized, send)

    def sent(self, chunks: Sequence[SerializedChunk]) -> SentObject:
        """The object of all chunks; it is sent now unless it has been.

        Raises:
            TransientError: A chunk is damaged, or the bucket did not take the file.
        """
        size = size_of(self._writer, chunks, self._spool)
        key, sha256 = self._ahead.finished(self._plan.folder, chunks) or self._send(chunks, size)
        return SentObject(key, size, sha256)

    def _send(self, chunks: Iterable[SerializedChunk], expected_bytes: int) -> tuple[str, str]:
        """Key and SHA-256; later chunks may still be made while the first ones are sent."""
        abort_noted(self._attempt, self._files)  # of a run that was told to send its parts at once
        key = self._name.key()
        file = AssembledFile(self._writer, chunks, self._spool)
        return key, self._files.upload(key, file, self._writer.content_type, expected_bytes).sha256


def stored_file(
    plan: ExportPlan, file: ExportFile, files: ObjectStore, settings: Settings
) -> StoredFile:
    """The object of all chunks, of the right size.

    Raises:
        TransientError: A chunk is missing or damaged, or the bucket holds another size.
        PermanentError: The file holds columns that have been forbidden meanwhile.
    """
    chunks = _all_chunks(plan, file)
    _require_allowed(plan, settings)
    sent = file.sent(chunks)
    _check_object(sent, files)
    # If the answer to the beginning of an upload is lost, the client begins another one.
    abort_uploads_to(sent.key, files)
    finished_at = datetime.now(UTC)
    return StoredFile(
        request=plan.query.request,
        object_key=sent.key,
        rows=sum(chunk.rows for chunk in chunks),
        bytes=sent.bytes,
        sha256=sent.sha256,
        sha256_of_parts=sent.sha256_of_parts,
        part_bytes=sent.part_bytes,
        finished_at=finished_at,
        expires_at=finished_at + settings.link_lifetime,
        limit_hit=plan.limit_hit,
        row_limit=plan.query.row_limit,
        vanished_rows=sum(chunk.expected_rows - chunk.rows for chunk in chunks),
        write_mode=plan.query.write_mode,
        remark=plan.query.user_remark,
        unfit=unfit_of(chunks),
        rows_by=rows_by(chunks),
    )


def _all_chunks(plan: ExportPlan, file: ChunkTarget) -> list[SerializedChunk]:
    """Of each chunk; an upload that has begun would wait for one that is missing."""
    wanted = len(plan.chunk_rows)
    chunks = [chunk for index in range(wanted) if (chunk := file.finished(index))]
    if len(chunks) < wanted:
        raise TransientError(f"Of {wanted:,} chunks {len(chunks):,} are there.")
    return chunks


def _require_allowed(plan: ExportPlan, settings: Settings) -> None:
    """Nothing, unless an operator has forbidden a column since the first run of the export."""
    query = plan.query
    forbidden = settings.file_defaults.forbidden.of(query.request.project_id)
    held = [column.name for column in query.columns if column.name in forbidden]
    held += [SCORES] if query.score_columns and SCORES in forbidden else []
    if held:
        raise PermanentError(
            f"The operator has forbidden {join_limited(held)} since this export was taken up. "
            "Please request it again; it will not have these columns."
        )


def _check_object(sent: SentObject, files: ObjectStore) -> None:
    stored = files.head(sent.key)
    if stored is None or stored.size != sent.bytes:
        found = f"{stored.size:,} bytes" if stored else "nothing"
        raise UploadLostError(f"The bucket holds {found} instead of {sent.bytes:,} bytes.")
