"""Puts the parts together in the bucket and publishes the file in one guarded update."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.assembled_file import AssembledFile, writer_of
from lf_export_pipeline.attempt_folder import AttemptFolder
from lf_export_pipeline.chunk_reading import ChunkReader, PlanTables
from lf_export_pipeline.core.errors import ExportCancelledError, ExportError, TransientError
from lf_export_pipeline.core.ports import ExportRows, FileStore, RowReader, Spool
from lf_export_pipeline.core.query import Chunk, ChunkList, ExportPlan, PartFile, StoredFile
from lf_export_pipeline.leftovers import abort_uploads_to, is_published_as
from lf_export_pipeline.object_keys import OBJECT, ObjectKey, free_key
from lf_export_pipeline.ops.boundary import export_errors, leave_nothing, require_running, tagged
from lf_export_pipeline.ops.serialize_chunk import part_of
from lf_export_pipeline.ops.stream_chunks import CHUNKS
from lf_export_pipeline.preview import PREVIEW, Preview
from lf_export_pipeline.progress import progress_line
from lf_export_pipeline.run_metadata import asset_event
from lf_export_pipeline.runs import root_run_id
from lf_export_pipeline.settings import Settings

STORED = "stored"


@dg.op(out=dg.Out(StoredFile, is_required=False))
def upload_file(
    context: dg.OpExecutionContext,
    plan: ExportPlan,
    parts: list[PartFile],
    *,
    settings: dg.ResourceParam[Settings],
    reader: dg.ResourceParam[RowReader],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[FileStore],
    export_rows: dg.ResourceParam[ExportRows],
    plan_tables: dg.ResourceParam[PlanTables],
) -> Iterator[dg.Output[StoredFile]]:
    """Uploads, checks, signs and completes; a row that is no longer PROCESSING gets nothing."""
    folder = AttemptFolder.of(spool, context.partition_key, root_run_id(context.run))
    stopped = leave_nothing(context, spool, files, export_rows)
    with export_errors(context, export_rows, when_stopped=stopped):
        stored = published_before(folder, export_rows)
        if stored is None:
            require_running(context, export_rows)
            rows = ChunkReader(tagged(reader, context), plan_tables)
            for chunk in missing_chunks(plan, parts, spool):
                require_running(context, export_rows)
                parts.append(part_of(chunk, plan.query, rows, spool, settings))
                context.log.info(progress_line(chunk, parts[-1].seconds))
            stored = Upload(plan, parts, folder, files, settings).stored()
            folder.write(STORED, stored)
            publish(stored, files, export_rows, settings)
        line = f"{stored.rows:,} rows, {stored.bytes:,} bytes uploaded as {stored.object_key}"
        context.log.info(line)
        context.log_event(asset_event(context, stored, plan, _preview(spool, parts)))
        yield dg.Output(stored)


def _preview(spool: Spool, parts: Sequence[PartFile]) -> Preview | None:
    """It lies beside the parts, if there are any."""
    folders = {part.location.rpartition("/")[0] for part in parts}
    return next((AttemptFolder(spool, path).read(PREVIEW, Preview) for path in folders), None)


def published_before(folder: AttemptFolder, export_rows: ExportRows) -> StoredFile | None:
    """What an earlier try of this attempt has published, if it ended before it could say so.

    The answer to the update may be lost, or the process killed right after it: the export is
    COMPLETED with this attempt's file then, and what is left to do is the e-mail.
    """
    stored = folder.read(STORED, StoredFile)
    if stored is None:
        return None
    row = export_rows.get(stored.request.export_id)
    is_done = row is not None and row.status == "COMPLETED"
    return stored if row and is_done and is_published_as(row, stored.object_key) else None


def missing_chunks(plan: ExportPlan, parts: Sequence[PartFile], spool: Spool) -> list[Chunk]:
    """The chunks that no step has made a part of.

    Dagster resumes a run that was killed with the mapped steps that had begun, and leaves out those
    that had not; then it is up to this op.
    """
    made = {part.index for part in parts}
    if len(made) == len(plan.chunk_rows):
        return []
    known = AttemptFolder(spool, plan.folder).read(CHUNKS, ChunkList)
    return [chunk for chunk in known.chunks if chunk.index not in made] if known else []


def publish(
    stored: StoredFile, files: FileStore, export_rows: ExportRows, settings: Settings
) -> None:
    """Sign a link and set the row COMPLETED, or take the object back.

    A run that was taken for dead may have published the same object meanwhile: then it stays.

    Raises:
        ExportCancelledError: The row is no longer PROCESSING.
    """
    url = files.signed_url(stored.object_key, settings.link_lifetime)
    is_published = export_rows.complete(
        stored.request.export_id, url, stored.finished_at, stored.expires_at, row_log(stored)
    )
    if not is_published:
        row = export_rows.get(stored.request.export_id)
        if row is None or not is_published_as(row, stored.object_key):
            files.delete(stored.object_key)
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
    return " ".join(sentences) or None


class Upload:
    """Writes the object of an export from its parts."""

    def __init__(
        self,
        plan: ExportPlan,
        parts: Sequence[PartFile],
        folder: AttemptFolder,
        files: FileStore,
        settings: Settings,
    ) -> None:
        self._request = plan.query.request
        self._plan = plan
        self._parts = sorted(parts, key=lambda part: part.index)
        self._folder = folder
        self._files = files
        self._settings = settings
        self._writer = writer_of(plan.query, settings)

    def stored(self) -> StoredFile:
        """The object, complete and of the right size.

        Raises:
            TransientError: A part is missing or damaged, or the bucket holds another size.
        """
        self._check_parts()
        key = self._key()
        file = AssembledFile(self._writer, self._parts, self._folder.spool)
        self._files.upload(key, file.pieces(), self._writer.content_type, file.size)
        self._check_object(key, file.size)
        self._abort_strays(key)
        finished_at = datetime.now(UTC)
        return StoredFile(
            request=self._request,
            object_key=key,
            rows=sum(part.rows for part in self._parts),
            bytes=file.size,
            sha256=file.sha256,
            finished_at=finished_at,
            expires_at=finished_at + self._settings.link_lifetime,
            limit_hit=self._plan.limit_hit,
            row_limit=self._plan.query.row_limit,
            vanished_rows=sum(part.expected_rows - part.rows for part in self._parts),
        )

    def _key(self) -> str:
        """The key that an earlier try has written to, or a new one, noted before it is used."""
        noted = self._folder.read(OBJECT, ObjectKey)
        if noted is None:
            prefix = self._settings.langfuse_s3_batch_export_prefix
            now = datetime.now(UTC)
            key = free_key(self._request, prefix, self._writer.extension, self._files, now)
            noted = ObjectKey(key=key)
            self._folder.write(OBJECT, noted)
        else:
            self._abort_strays(noted.key)
        return noted.key

    def _abort_strays(self, key: str) -> None:
        """Uploads that nobody goes on with, if the bucket's policy lets them be listed.

        A process that is killed cannot abort what it has begun; and if the answer to the beginning
        of an upload is lost, the client begins another one.
        """
        with suppress(ExportError):  # what is left to the sweep is no reason to fail
            abort_uploads_to(key, self._files)

    def _check_parts(self) -> None:
        found = [part.index for part in self._parts]
        if found != list(range(len(self._plan.chunk_rows))):
            raise TransientError(
                f"Of {len(self._plan.chunk_rows):,} chunks {len(found):,} are there."
            )

    def _check_object(self, key: str, size: int) -> None:
        stored = self._files.head(key)
        if stored is None or stored.size != size:
            found = f"{stored.size:,} bytes" if stored else "nothing"
            raise TransientError(f"The bucket holds {found} instead of {size:,} bytes.")
