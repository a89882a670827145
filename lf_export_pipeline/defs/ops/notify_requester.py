"""Tells the user by e-mail; whatever happens here, the export is finished."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import INFO, WARNING

import dagster as dg

from lf_export_pipeline.core.errors import ExportError, TransientError
from lf_export_pipeline.core.ports import ExportRows, FileStore, Mailer, Spool
from lf_export_pipeline.core.query.export_query import StoredFile
from lf_export_pipeline.defs.ops.upload_file import STORED
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_ended_attempts, discard_object
from lf_export_pipeline.lifecycle.run_records import ended_attempts, root_run_id
from lf_export_pipeline.notify.outbox import (
    NOTIFIED,
    UNSENT,
    Answer,
    Email,
    Notified,
    after_error,
    is_recorded,
    record_email,
    send_email,
)
from lf_export_pipeline.settings import Settings

RETRY_SECONDS = (2.0, 8.0)


@dg.op(ins={"stored": dg.In(dg.Nothing)})
def notify_requester(
    context: dg.OpExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    mailer: dg.ResourceParam[Mailer],
    spool: dg.ResourceParam[Spool],
    files: dg.ResourceParam[FileStore],
    export_rows: dg.ResourceParam[ExportRows],
) -> None:
    """Sends the e-mail, then deletes the export's files from the spool.

    The step is tried again only as long as nothing was sent, so that no try of this run can send a
    second e-mail, whether or not the mark of the first could be written; only a message whose
    answer was lost is repeated, once. What became of the e-mail is a tag of the run; one that no
    server has taken is sent later, by ``send_unsent_emails``.

    What was stored is read from the attempt's folder and not handed over: a run that is killed in
    the clean-up is started again, and then finds that there is nothing left to tell.
    """
    folder = AttemptFolder.of(spool, context.partition_key, root_run_id(context.run))
    stored = folder.read(STORED, StoredFile)
    if stored is not None:
        key = stored.object_key
        _tell_once(context, folder, key, mailer=mailer, export_rows=export_rows, settings=settings)
    with _warned_of(context, "The export is COMPLETED, but has left files behind"):
        _tidy_up(context, folder, files, export_rows)


def _tell_once(
    context: dg.OpExecutionContext,
    folder: AttemptFolder,
    key: str,
    *,
    mailer: Mailer,
    export_rows: ExportRows,
    settings: Settings,
) -> None:
    """Sends the e-mail unless that was done, and notes what has become of it."""
    became = Email.SENT
    if not _was_notified(context, folder, key):
        became = _told(context, key, mailer, export_rows, settings)
        if became is Email.SENT:
            with _warned_of(context, "The mark of the sent e-mail could not be written"):
                folder.write(NOTIFIED, Notified())
    with _warned_of(context, "The state of the e-mail could not be recorded"):
        record_email(context.instance, context.run_id, became, key)


def _was_notified(context: dg.OpExecutionContext, folder: AttemptFolder, key: str) -> bool:
    """Whether the e-mail was sent by an earlier run of this attempt, or late by the schedule.

    If that cannot be read it has not: few runs are killed just there, and who has asked for an
    export waits for the e-mail.
    """
    try:
        return folder.has(NOTIFIED) or is_recorded(context.instance, Email.SENT, key)
    except ExportError as error:
        _try_again(context, error)
        context.log.warning("Could not check whether the e-mail was sent before: %s", error)
        return False


def _told(
    context: dg.OpExecutionContext,
    key: str,
    mailer: Mailer,
    export_rows: ExportRows,
    settings: Settings,
) -> Email:
    """What has become of the e-mail after this try of the step, which is the last one then."""
    became = Email.NONE
    with _warned_of(context, UNSENT):
        level = INFO
        try:
            answer = send_email(context.partition_key, key, mailer, export_rows, settings)
        except ExportError as error:
            level, answer = WARNING, _after(context, key, error, mailer)
        became = answer.became
        context.log.log(level, answer.line)
    return became


def _after(context: dg.OpExecutionContext, key: str, error: ExportError, mailer: Mailer) -> Answer:
    """What has become of an e-mail that could not be sent, if this try is the last one.

    That a message was handed over is noted before it is repeated: what cannot be noted is not.
    """
    is_repeated = is_recorded(context.instance, Email.UNANSWERED, key)
    answer = after_error(error, mailer, is_repeated=is_repeated)
    if answer.became is Email.UNANSWERED and not is_repeated:
        record_email(context.instance, context.run_id, Email.UNANSWERED, key)
    if answer.became is not Email.SENT:
        _try_again(context, error)
    return answer


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
    path, _, own = folder.path.rpartition("/")
    ended = ended_attempts(context.instance, context.partition_key) - {own}
    row = export_rows.get(context.partition_key)
    discard_ended_attempts(folder.spool, path, ended, files, row)
    discard_object(folder, files, row)  # if the row's link has come to lead to another file
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
        context.log.warning("%s: a bug or unexpected data (%s)", harm, kind)


def _try_again(context: dg.OpExecutionContext, error: ExportError) -> None:
    """Ends this try of the step if another one may help; the last one lets the matter go."""
    if isinstance(error, TransientError) and context.retry_number < len(RETRY_SECONDS):
        wait = RETRY_SECONDS[context.retry_number]
        raise dg.RetryRequested(len(RETRY_SECONDS), seconds_to_wait=wait) from error
