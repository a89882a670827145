"""Tells the requester; whatever happens here, the export is finished."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import INFO, WARNING

import dagster as dg

from lf_export_pipeline.core.errors import ExportError, TransientError
from lf_export_pipeline.core.ports import Mailer
from lf_export_pipeline.defs.ops.attempts import Attempt, Attempts
from lf_export_pipeline.file.cleanup import discard_ended_attempts, discard_object
from lf_export_pipeline.lifecycle.run_records import ended_attempts
from lf_export_pipeline.notify.outbox import Outbox, open_channels

RETRY_SECONDS = (2.0, 8.0)


@dg.op(ins={"stored": dg.In(dg.Nothing)})
def notify_requester(
    context: dg.OpExecutionContext,
    *,
    attempts: dg.ResourceParam[Attempts],
    mailer: dg.ResourceParam[Mailer],
) -> None:
    """Sends what this run owes, then deletes the export's files from the spool.

    Each notification is tried once. What is not sent stays owed, as the tags of the run say, and
    the sensor sends it when the run has ended.
    """
    attempt, is_recorded = attempts.of(context), False
    channels = open_channels(mailer, attempt.export_rows, attempt.settings)
    with _warned_of(context, "The notifications could not be sent; they will be sent later"):
        _deliver(attempt, Outbox(context.instance, attempt.export_rows, channels))
        is_recorded = True
    if not is_recorded:
        return  # what was sent is known by the marks in the folder alone
    with _warned_of(context, "The export is COMPLETED, but has left files behind"):
        _tidy_up(attempt)


def _deliver(attempt: Attempt, outbox: Outbox) -> None:
    context = attempt.context
    run = context.instance.get_run_by_id(context.run_id)
    for outcome in outbox.deliver(run, attempt.folder) if run else ():
        context.log.log(WARNING if outcome.is_problem else INFO, outcome.line)


def _tidy_up(attempt: Attempt) -> None:
    """Deletes what this and other attempts have left; the rest is left to the sweeps."""
    for seconds in RETRY_SECONDS:
        with suppress(TransientError):
            return _remove_leftovers(attempt)
        time.sleep(seconds)
    return _remove_leftovers(attempt)


def _remove_leftovers(attempt: Attempt) -> None:
    context, folder, files = attempt.context, attempt.folder, attempt.files
    path, _, own = folder.path.rpartition("/")
    ended = ended_attempts(context.instance, context.partition_key) - {own}
    row = attempt.row()
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
