"""Where the errors of an export become Dagster's, the same way for every op.

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

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from lf_export_pipeline.core.errors import ExportCancelledError, PermanentError
from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, RowReader, Spool
from lf_export_pipeline.core.redaction import RedactedError
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import is_anothers, owner_of
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_attempt
from lf_export_pipeline.file.upload_ahead import UploadsAhead
from lf_export_pipeline.lifecycle.heartbeat import heartbeat
from lf_export_pipeline.lifecycle.run_records import (
    claim_of,
    has_failed_step,
    has_live_sibling,
    live_attempts,
    root_run_id,
)

# Steps that read much at once, over all runs; `dagster.yaml` and the UI say how many there may be.
CLICKHOUSE_POOL = "clickhouse"


NO_PARTITION = (
    "No export was chosen: this job makes one export per run, and its id is the partition. Choose "
    "it in the field Partition of the Launchpad, or run `lf-export run <id>`."
)


def require_partition(context: dg.OpExecutionContext) -> None:
    """Nothing, if the run is of an export; Dagster's launchpad also launches runs of none.

    Raises:
        Failure: It is of none.
    """
    if not context.has_partition_key:
        raise dg.Failure(description=NO_PARTITION, allow_retries=False)


@contextmanager
def export_errors(
    context: dg.OpExecutionContext,
    export_rows: BatchExportRepository,
    when_stopped: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Translates what the body of an op raises; a run that is terminated cancels its export.

    While the body works, its row is touched now and then, so that silence means death.

    Args:
        context: The step's.
        export_rows: Where the export is cancelled if a person terminates the run.
        when_stopped: Called when the export was found cancelled or finished, unless another run of
            the same chain goes on, which needs the same files.
    """
    try:
        owner = root_run_id(context.run)
        with heartbeat(export_rows, context.partition_key, owner), redact_unexpected_errors():
            yield
    except ExportCancelledError as stop:
        context.log.warning(str(stop))
        if root_run_id(context.run) not in live_attempts(context.instance, context.run):
            when_stopped()
    except PermanentError as error:
        raise dg.Failure(description=error.sentence, allow_retries=False) from error
    except RedactedError as error:
        if not error.is_mistake:
            raise
        description = f"A bug or unexpected data ({error.kind})."
        raise dg.Failure(description=description, allow_retries=False) from error
    except dg.DagsterExecutionInterruptedError as interrupt:
        if _is_cancelled_as_asked(context, export_rows):
            # Dagster's retry policy would otherwise start the step again in a run that is to end.
            raise dg.Failure("The run was terminated.", allow_retries=False) from interrupt
        raise


def require_running(
    context: dg.OpExecutionContext, export_rows: BatchExportRepository
) -> ExportRow:
    """The row as it was found: PROCESSING with the mark of this run's chain, or now set so.

    A re-execution finds the row as FAILED by the run before it, and sets it going again. So does a
    run whose row was failed by somebody else: a FAILED row is nobody's. If the mark is gone, an
    older version or Langfuse's own worker has begun as well, and the first one that has a file
    publishes it. A step beside one that has failed for good fails too: were it to end well without
    an output, a re-execution from failure would leave it out.

    Raises:
        ExportCancelledError: The row has been cancelled, or taken or finished by another run.
        PermanentError: A step of this run has failed.
    """
    row, owner = export_rows.get(context.partition_key), root_run_id(context.run)
    if row is None or row.status not in {"PROCESSING", "FAILED"} or is_anothers(row, owner):
        raise ExportCancelledError(f"The export is {_state(row)}; this run leaves it alone.")
    if row.status == "FAILED" and has_failed_step(context.instance, context.run_id):
        raise PermanentError("Another step of this export has failed.")
    if owner_of(row) != owner and not export_rows.start(row.id, owner):
        raise ExportCancelledError("The export was taken elsewhere; this run leaves it alone.")
    return row


def _state(row: ExportRow | None) -> str:
    if row is None:
        return "gone"
    owner = owner_of(row)
    return f"taken up by run {owner}" if owner else row.status


def leave_nothing(
    context: dg.OpExecutionContext,
    spool: Spool,
    files: ObjectStore,
    export_rows: BatchExportRepository,
    uploads_ahead: UploadsAhead | None = None,
) -> Callable[[], None]:
    """What to call when the export is found stopped: its files go, in spool and bucket.

    An upload that is under way is stopped before: it would note its key in a folder that is gone.
    """
    folder = AttemptFolder.of(spool, context.partition_key, root_run_id(context.run))

    def leave() -> None:
        if uploads_ahead is not None:
            uploads_ahead.close()
        discard_attempt(folder, files, export_rows.get(context.partition_key))

    return leave


def tagged(reader: RowReader, context: dg.OpExecutionContext) -> RowReader:
    """The reader, whose queries can be found by export, run and op in the servers' logs."""
    return reader.tagged(export_id=context.partition_key, run_id=context.run_id, op=context.op.name)


def _is_cancelled_as_asked(
    context: dg.OpExecutionContext, export_rows: BatchExportRepository
) -> bool:
    """Only a termination by a person is one; a run worker that is shut down is a failure.

    Another run of the export that goes on is not stopped by the end of this one, and what has been
    queued since this run was asked for is another attempt.
    """
    run = context.instance.get_run_by_id(context.run_id)
    if run is None or run.status is not dg.DagsterRunStatus.CANCELING:
        return False
    if not has_live_sibling(context.instance, run):
        export_rows.cancel(context.partition_key, claim_of(run))
    return True
