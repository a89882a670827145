"""The attempt that an op works on: its folder, its row, its errors, and what stays of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from lf_export_pipeline.core.errors import ExportCancelledError, PermanentError
from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, RowReader, Spool
from lf_export_pipeline.core.query.export_query import ExportPlan
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import is_anothers, owner_of
from lf_export_pipeline.defs.ops.boundary import export_errors, require_partition
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_reading import ChunkReader
from lf_export_pipeline.file.cleanup import discard_attempt
from lf_export_pipeline.file.run_cache import RunCache
from lf_export_pipeline.file.uploading import Upload
from lf_export_pipeline.lifecycle.run_records import has_failed_step, root_run_id
from lf_export_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an export, which is a chain of runs, as a step of one of them sees it."""

    context: dg.OpExecutionContext
    settings: Settings
    spool: Spool
    export_rows: BatchExportRepository
    files: ObjectStore
    cache: RunCache

    @property
    def owner(self) -> str:
        """The root run of the chain, by which its row and folder are marked."""
        return root_run_id(self.context.run)

    @property
    def folder(self) -> AttemptFolder:
        """The attempt's files in the spool."""
        return AttemptFolder.of(self.spool, self.context.partition_key, self.owner)

    def row(self) -> ExportRow | None:
        """The export's row as it is now."""
        return self.export_rows.get(self.context.partition_key)

    def require_running(self) -> None:
        """Nothing, if the row is PROCESSING with the mark of this chain, or could be set so.

        A re-execution finds the row as FAILED by the run before it, and sets it going again. So
        does a run whose row was failed by somebody else: a FAILED row is nobody's. If the mark is
        gone, an older version or Langfuse's own worker has begun as well, and the first one that
        has a file publishes it. A step beside one that has failed for good fails too: were it to
        end well without an output, a re-execution from failure would leave it out.

        Raises:
            ExportCancelledError: The row has been cancelled, or taken or finished by another run.
            PermanentError: A step of this run has failed.
        """
        row, owner = self.row(), self.owner
        if row is None or row.status not in {"PROCESSING", "FAILED"} or is_anothers(row, owner):
            raise ExportCancelledError(f"The export is {_state(row)}; this run leaves it alone.")
        if row.status == "FAILED" and has_failed_step(self.context.instance, self.context.run_id):
            raise PermanentError("Another step of this export has failed.")
        if owner_of(row) != owner and not self.export_rows.start(row.id, owner):
            raise ExportCancelledError("The export was taken elsewhere; this run leaves it alone.")

    def tagged(self, reader: RowReader) -> RowReader:
        """The reader, whose queries can be found by export, run and op in the servers' logs."""
        at = self.context
        return reader.tagged(export_id=at.partition_key, run_id=at.run_id, op=at.op.name)

    def chunk_reader(self, reader: RowReader) -> ChunkReader:
        """A reader of chunks, which shares the lookups that the process has read."""
        return ChunkReader(self.tagged(reader), self.cache.tables)

    def upload(self, plan: ExportPlan) -> Upload:
        """The upload of the attempt's file; nothing is sent yet."""
        return Upload(plan, self.folder, self.files, self.settings)

    def discard(self) -> None:
        """Delete its files in spool and bucket.

        An upload that is under way is stopped before: it would note its key in a folder that is
        gone.
        """
        self.cache.close()
        discard_attempt(self.folder, self.files, self.row())


@dataclass(frozen=True)
class Attempts:
    """The resource of the ops: what every attempt works with."""

    settings: Settings
    spool: Spool
    export_rows: BatchExportRepository
    files: ObjectStore
    cache: RunCache

    def of(self, context: dg.OpExecutionContext) -> Attempt:
        """The attempt of a step.

        Raises:
            Failure: The run is of no export.
        """
        require_partition(context)
        return Attempt(context, **vars(self))

    @contextmanager
    def running(
        self, context: dg.OpExecutionContext, *, keeps_files: bool = False
    ) -> Iterator[Attempt]:
        """The attempt of a step, while its body works: as ``export_errors``, and cleans up.

        Args:
            context: The step's.
            keeps_files: Leave the files of an export that is found stopped to a later step.
        """
        attempt = self.of(context)
        when_stopped = None if keeps_files else attempt.discard
        with export_errors(context, attempt.export_rows, when_stopped):
            yield attempt


def _state(row: ExportRow | None) -> str:
    if row is None:
        return "gone"
    owner = owner_of(row)
    return f"taken up by run {owner}" if owner else row.status
