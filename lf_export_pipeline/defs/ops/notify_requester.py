"""Tells the requester; whatever happens here, the export is finished."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import INFO, WARNING

import dagster as dg

from lf_export_pipeline.core.errors import ExportError, TransientError
from lf_export_pipeline.core.ports import BatchExportRepository, Mailer, ObjectStore, Spool
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_ended_attempts, discard_object
from lf_export_pipeline.lifecycle.run_records import ended_attempts, root_run_id
from lf_export_pipeline.notify.outbox import Outbox, open_channels
from lf_export_pipeline.settings import Settings

RETRY_SECONDS = (2.0, 8.0)


@dg.op(ins={"stored": dg.In(dg.Nothing)})
def notify_requester(
    context: dg.OpExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    mailer: dg.ResourceParam[Mailer],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[ObjectStore],
    export_rows: dg.ResourceParam[BatchExportRepository],
) -> None:
    """Sends what this run owes, then deletes the export's files from the spool.

    Each notification is tried once. What is not sent stays owed, as the tags of the run say, and
    the sensor sends it when the run has ended.
    """
    folder = AttemptFolder.of(spool, context.partition_key, root_run_id(context.run))
    channels = open_channels(mailer, export_rows, settings)
    is_recorded = False
    with _warned_of(context, "The notifications could not be sent; they will be sent later"):
        _deliver(context, Outbox(context.instance, export_rows, channels), folder)
        is_recorded = True
    if not is_recorded:
        return  # what was sent is known by the marks in the folder alone
    with _warned_of(context, "The export is COMPLETED, but has left files behind"):
        _tidy_up(context, folder, files, export_rows)


def _deliver(context: dg.OpExecutionContext, outbox: Outbox, folder: AttemptFolder) -> None:
    run = context.instance.get_run_by_id(context.run_id)
    for outcome in outbox.deliver(run, folder) if run else ():
        context.log.log(WARNING if outcome.is_problem else INFO, outcome.line)


def _tidy_up(
    context: dg.OpExecutionContext,
    folder: AttemptFolder,
    files: ObjectStore,
    export_rows: BatchExportRepository,
) -> None:
    """Deletes what this and other attempts have left; the rest is left to the sweeps."""
    for seconds in RETRY_SECONDS:
        with suppress(TransientError):
            return _remove_leftovers(context, folder, files, export_rows)
        time.sleep(seconds)
    return _remove_leftovers(context, folder, files, export_rows)


def _remove_leftovers(
    context: dg.OpExecutionContext,
    folder: AttemptFolder,
    files: ObjectStore,
    export_rows: BatchExportRepository,
) -> None:
    path, _, own = folder.path.rpartition("/")
    ended = ended_attempts(context.instance, context.partition_key) - {own}
    row = export_rows.get(context.partition_key)
    discard_ended_attempts(folder.spool, path, ended, files, row)
    discard_object(folder, files, row)  # if the row's link has come to lead to another file
    folder.remove()


@contextmanager
def _warned_of(context: dg.OpExecutionContext, harm: str) -> Iterator[None]:
    """Lets the run of an export that is COMPLETED end well, with a warning, whatever the body does.

    Of a bug only its kind is logged: its message may hold a password.
    """
    try:
        yield
    except ExportError as error:
        context.log.warning("%s: %s", harm, error)
    except Exception as error:  # noqa: BLE001 - as above
        context.log.warning("%s: a bug or unexpected data (%s)", harm, type(error).__name__)
