"""The attempt at an export that an op works on, and what its errors become, the same for every op.

- ``PermanentError``: the step fails at once, with the user's sentence as its description.
- ``ExportCancelledError``: the step ends without an output, so that what follows is skipped and
  the run succeeds: there is nothing to repair.
- What would happen again, since it is a mistake in the program: fails at once as well.
- Anything else is raised, and the op's retry policy decides.

Of what nobody has foreseen the kind and the traceback are recorded and the message is not, which
may hold a secret (``core.redaction``).

The row of a failed export is not written here: ``fail_export`` does that when no retry is left,
also for errors that occur outside of an op's body.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from lf_export_pipeline.core.errors import (
    ExportCancelledError,
    InterruptedExportError,
    PermanentError,
)
from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, RowReader, Spool
from lf_export_pipeline.core.query.export_query import ExportPlan, SerializedChunk
from lf_export_pipeline.core.redaction import RedactedError
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import is_anothers, owner_of
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.bucket_file import BucketFile
from lf_export_pipeline.file.chunk_reading import ChunkReader
from lf_export_pipeline.file.cleanup import discard_attempt
from lf_export_pipeline.file.run_cache import RunCache
from lf_export_pipeline.file.uploading import ExportFile, SpoolFile
from lf_export_pipeline.lifecycle.heartbeat import heartbeat
from lf_export_pipeline.lifecycle.run_records import (
    claim_of,
    has_failed_step,
    has_live_sibling,
    live_attempts,
    root_run_id,
)
from lf_export_pipeline.settings import Settings

# Steps that read much at once, over all runs; `dagster.yaml` and the UI say how many there may be.
CLICKHOUSE_POOL = "clickhouse"

NO_PARTITION = (
    "No export was chosen: this job makes one export per run, and its id is the partition. Choose "
    "it in the field Partition of the Launchpad, or run `lf-export run <id>`."
)


@dataclass(frozen=True)
class Attempts:
    """The resource of the ops: what each attempt works with."""

    settings: Settings
    spool: Spool
    export_rows: BatchExportRepository
    files: ObjectStore
    cache: RunCache

    def of(self, context: dg.OpExecutionContext) -> "Attempt":
        """The attempt of a step; Dagster's launchpad also launches runs of no export.

        Raises:
            Failure: It is of none.
        """
        if not context.has_partition_key:
            raise dg.Failure(description=NO_PARTITION, allow_retries=False)
        return Attempt(context, **vars(self))

    @contextmanager
    def running(
        self, context: dg.OpExecutionContext, *, keeps_files: bool = False
    ) -> Iterator["Attempt"]:
        """The attempt of a step, and what the op's body raises is translated.

        While the body works, its row is touched now and then, so that silence means death. A run
        that is terminated cancels its export.

        Args:
            context: The step's.
            keeps_files: Leave the files of an export that is found stopped to a later step. They
                stay as well while another run of the same chain goes on, which needs them.
        """
        attempt = self.of(context)
        owner = attempt.owner
        try:
            with (
                heartbeat(self.export_rows, context.partition_key, owner),
                redact_unexpected_errors(),
            ):
                yield attempt
        except ExportCancelledError as stop:
            context.log.warning(str(stop))
            if not keeps_files and owner not in live_attempts(context.instance, context.run):
                attempt.discard()
        except PermanentError as error:
            raise dg.Failure(description=error.user_message, allow_retries=False) from error
        except RedactedError as error:
            if not error.is_mistake:
                raise
            description = f"A bug or unexpected data ({error.kind})."
            raise dg.Failure(description=description, allow_retries=False) from error
        except dg.DagsterExecutionInterruptedError as interrupt:
            attempt.end_if_asked_to(interrupt)
            raise


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

    @contextmanager
    def file(self, plan: ExportPlan, known: Sequence[SerializedChunk] = ()) -> Iterator[ExportFile]:
        """The attempt's file, as earlier steps have left it; ``known`` are chunks of theirs."""
        folder, files, settings = self.folder, self.files, self.settings
        if settings.parts_go_to_the_bucket:
            with BucketFile.opened(plan, folder, files, settings) as file:
                yield file
        else:
            ahead = self.cache.uploads
            yield SpoolFile(plan, folder, files, settings, known=known, ahead=ahead)

    def discard(self) -> None:
        """Delete its files in spool and bucket.

        An upload under way is stopped before: it would note its key in a folder that is gone.
        """
        self.cache.close()
        discard_attempt(self.folder, self.files, self.row())

    def end_if_asked_to(self, interrupt: BaseException) -> None:
        """Nothing, if the interrupt is of a run worker that is shut down: that is a failure.

        Raises:
            Failure: A person wants the run to end; Dagster's retry policy would otherwise start the
                step again.
        """
        if self._cancel_if_terminated():
            raise dg.Failure("The run was terminated.", allow_retries=False) from interrupt
        if self.context.run.remote_job_origin is None:  # it was started in a shell, where Ctrl-C is
            error = InterruptedExportError()
            raise dg.Failure(error.user_message, allow_retries=False) from error

    def _cancel_if_terminated(self) -> bool:
        """True, and the export is cancelled, if a person terminates the run in Dagster.

        Another run of the export that goes on is not stopped by the end of this one, and what has
        been queued since this run was asked for is another attempt.
        """
        instance = self.context.instance
        run = instance.get_run_by_id(self.context.run_id)
        if run is None or run.status is not dg.DagsterRunStatus.CANCELING:
            return False
        if not has_live_sibling(instance, run):
            self.export_rows.cancel(self.context.partition_key, claim_of(run))
        return True


def _state(row: ExportRow | None) -> str:
    if row is None:
        return "gone"
    owner = owner_of(row)
    return f"taken up by run {owner}" if owner else row.status
