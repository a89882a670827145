"""Tells the user by e-mail; whatever happens here, the export is finished."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
from pydantic import BaseModel

from lf_export_pipeline.core.errors import ExportError, TransientError
from lf_export_pipeline.core.ports import ExportRows, FileStore, Mailer, Spool
from lf_export_pipeline.core.query import StoredFile
from lf_export_pipeline.export_file.attempt_folder import AttemptFolder
from lf_export_pipeline.notification import build_notification
from lf_export_pipeline.runs.history import live_attempts, root_run_id
from lf_export_pipeline.runs.leftovers import discard_other_attempts
from lf_export_pipeline.settings import Settings

NOTIFIED = "notified"
RETRY_SECONDS = (2.0, 8.0)


class Notified(BaseModel):
    """A mark: the mail server has taken the message, no other may follow."""


@dg.op
def notify_requester(
    context: dg.OpExecutionContext,
    stored: StoredFile,
    *,
    settings: dg.ResourceParam[Settings],
    mailer: dg.ResourceParam[Mailer],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[FileStore],
    export_rows: dg.ResourceParam[ExportRows],
) -> None:
    """Sends one e-mail, then removes what the export has left in the spool.

    The step is tried again only as long as nothing was sent, so that no try of this run can send a
    second e-mail, whether or not the mark of the first could be written.
    """
    folder = AttemptFolder.of(spool, context.partition_key, root_run_id(context.run))
    if not _was_notified(context, folder):
        with _warned_of(context, "The export is COMPLETED, but its e-mail was not sent"):
            context.log.info(_sent(context, stored, mailer, export_rows, settings))
            with _warned_of(context, "The mark of the e-mail could not be written"):
                folder.write(NOTIFIED, Notified())
    with _warned_of(context, "The export is COMPLETED, but has left files behind"):
        _tidy_up(context, folder, files, export_rows)


def _was_notified(context: dg.OpExecutionContext, folder: AttemptFolder) -> bool:
    """Whether an earlier run of this attempt has sent the e-mail and was killed after that.

    If that cannot be read it has not: few runs are killed just there, and who has asked for an
    export waits for the e-mail.
    """
    try:
        return folder.has(NOTIFIED)
    except ExportError as error:
        _try_again(context, error)
        context.log.warning("Whether the e-mail was sent before cannot be read: %s", error)
        return False


def _sent(
    context: dg.OpExecutionContext,
    stored: StoredFile,
    mailer: Mailer,
    export_rows: ExportRows,
    settings: Settings,
) -> str:
    try:
        return notify(stored, mailer, export_rows, settings)
    except TransientError as error:
        _try_again(context, error)
        raise


def _tidy_up(
    context: dg.OpExecutionContext,
    folder: AttemptFolder,
    files: FileStore,
    export_rows: ExportRows,
) -> None:
    """Removes what this and other attempts have left; what stays is left to the sweeps."""
    for seconds in RETRY_SECONDS:
        with suppress(TransientError):
            return _remove_leftovers(context, folder, files, export_rows)
        time.sleep(seconds)
    return _remove_leftovers(context, folder, files, export_rows)


def _remove_leftovers(
    context: dg.OpExecutionContext,
    folder: AttemptFolder,
    files: FileStore,
    export_rows: ExportRows,
) -> None:
    alive = live_attempts(context.instance, context.run)
    discard_other_attempts(folder, files, export_rows.get(context.partition_key), alive)
    folder.remove()


@contextmanager
def _warned_of(context: dg.OpExecutionContext, harm: str) -> Iterator[None]:
    """Lets the run of an export that is COMPLETED end well, with a warning, whatever the body does.

    Of a mistake in the program only its kind is said: its message may hold a password.
    """
    try:
        yield
    except dg.RetryRequested:
        raise
    except ExportError as error:
        context.log.warning("%s: %s", harm, error)
    except Exception as error:  # noqa: BLE001 - as above
        kind = type(error).__name__
        context.log.warning("%s: a mistake in the program or its data (%s)", harm, kind)


def _try_again(context: dg.OpExecutionContext, error: ExportError) -> None:
    """Ends this try of the step if another one may help; the last one lets the matter go."""
    if isinstance(error, TransientError) and context.retry_number < len(RETRY_SECONDS):
        wait = RETRY_SECONDS[context.retry_number]
        raise dg.RetryRequested(len(RETRY_SECONDS), seconds_to_wait=wait) from error


def notify(stored: StoredFile, mailer: Mailer, export_rows: ExportRows, settings: Settings) -> str:
    """Send the e-mail if there is someone to send it to; a line for the log says what was done."""
    request = stored.request
    recipient = export_rows.recipient(request.user_id, request.project_id)
    row = export_rows.get(request.export_id)
    if recipient is None:
        return "No e-mail: the requester has no address or may not see the project"
    if row is None or row.url is None:
        return "No e-mail: the row no longer holds a link"
    message = build_notification(
        settings=settings,
        recipient=recipient,
        export_name=request.name,
        project_id=request.project_id,
        signed_url=row.url,
        link_lifetime=settings.link_lifetime,
        remark=row.log,
    )
    mailer.send(message)
    return "The requester was sent an e-mail"
