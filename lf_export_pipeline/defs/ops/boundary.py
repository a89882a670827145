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
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.redaction import RedactedError
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.lifecycle.heartbeat import heartbeat
from lf_export_pipeline.lifecycle.run_records import (
    claim_of,
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
    when_stopped: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Translates what the body of an op raises; a run that is terminated cancels its export.

    While the body works, its row is touched now and then, so that silence means death.

    Args:
        context: The step's.
        export_rows: Where the export is cancelled if a person terminates the run.
        when_stopped: Called when the export was found cancelled or finished, unless another run of
            the same chain goes on, which needs the same files.
    """
    owner = root_run_id(context.run)
    try:
        with heartbeat(export_rows, context.partition_key, owner), redact_unexpected_errors():
            yield
    except ExportCancelledError as stop:
        context.log.warning(str(stop))
        if when_stopped and owner not in live_attempts(context.instance, context.run):
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
