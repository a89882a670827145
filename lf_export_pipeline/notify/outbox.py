"""The e-mail about a finished export: who gets it, and what becomes of one that nobody has taken.

The run of an export tries for some seconds. If the mail server is away for longer, the run ends
without the e-mail, since it would hold up a place in the queue. The tag ``lf_export/email`` says
so, and ``notify.late_emails`` sends it when the server is back.

A message that a server was handed and has not answered is repeated once, whoever does it and
however late. When that answer is lost too, the e-mail counts as sent: nobody gets more than two.
The tags of runs say how far an e-mail has come, by the key of the file that it tells of, so that
every run of an attempt and the schedule know the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice

import dagster as dg
from pydantic import BaseModel

from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    MessageDeferredError,
    TransientError,
)
from lf_export_pipeline.core.ports import ExportRows, Mailer
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.cleanup import is_published_as
from lf_export_pipeline.lifecycle.partitions import EMAIL_TAG, OBJECT_TAG
from lf_export_pipeline.lifecycle.retries import is_retried
from lf_export_pipeline.lifecycle.run_records import JOB_NAME, export_id_of
from lf_export_pipeline.notify.messages import build_notification
from lf_export_pipeline.settings import Settings


class Email(StrEnum):
    """What has become of an e-mail, as a tag of the run says."""

    SENT = "sent"
    UNSENT = "unsent"
    UNANSWERED = "unanswered"
    NONE = "none"


OWED = (Email.UNSENT, Email.UNANSWERED)
"""What the schedule sends."""


ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
PAGE_RUNS = 500
NOTIFIED = "notified"
UNSENT = "The export is COMPLETED, but its e-mail was not sent"


class Notified(BaseModel):
    """A mark in an attempt's folder: the mail server has taken the message, no other may follow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was done about an e-mail.

    Attributes:
        became: What has become of it.
        line: The same for the log.
        concerns_all: Whether no other e-mail would have been taken either.
    """

    became: Email
    line: str
    concerns_all: bool = False


def send_email(
    export_id: str, key: str, mailer: Mailer, export_rows: ExportRows, settings: Settings
) -> Answer:
    """Send the e-mail about the file with this key if there is someone to send it to.

    If the row's link leads to another file by now, whoever has made that one sends an e-mail.

    Raises:
        TransientError: The mail server or the database is away.
        PermanentError: The address is none, or the mail server does not want the message.
        ConfigurationError: There is no mail server, or it refuses us.
    """
    row = export_rows.get(export_id)
    if row is None or row.url is None or not is_published_as(row, key):
        return Answer(Email.NONE, "No e-mail: the row does not link to this run's file")
    recipient = export_rows.recipient(row.user_id, row.project_id)
    if recipient is None:
        why = "the requester has no address or may not see the project"
        return Answer(Email.NONE, f"No e-mail: {why}")
    message = build_notification(
        settings=settings,
        recipient=recipient,
        export_name=row.name,
        project_id=row.project_id,
        signed_url=row.url,
        link_lifetime=settings.link_lifetime,
        remark=row.log,
    )
    mailer.send(message)
    return Answer(Email.SENT, "E-mail sent to the requester")


def after_error(error: ExportError, mailer: Mailer, *, is_repeated: bool) -> Answer:
    """What has become of an e-mail that could not be sent.

    Args:
        error: Why.
        mailer: Who has tried it.
        is_repeated: Whether the message was handed over before, and that was not answered either.
    """
    if isinstance(error, AnswerLostError) and is_repeated:
        return Answer(
            Email.SENT, f"The e-mail counts as sent (two attempts without an answer): {error}"
        )
    if not _may_be_sent_later(error, mailer):
        return Answer(Email.NONE, f"{UNSENT}: {error}")
    is_handed_over = is_repeated or isinstance(error, AnswerLostError)
    became = Email.UNANSWERED if is_handed_over else Email.UNSENT
    line = f"{UNSENT}: {error} It will be sent later."
    return Answer(became, line, concerns_all=not isinstance(error, MessageDeferredError))


def _may_be_sent_later(error: ExportError, mailer: Mailer) -> bool:
    """Whether the same message may be taken once the server is back, or let us in again."""
    if isinstance(error, ConfigurationError):
        return mailer.configured  # who has set up no mail server waits for no e-mail
    return isinstance(error, TransientError)


def record_email(instance: dg.DagsterInstance, run_id: str, became: Email, key: str) -> None:
    """Tag a run with what has become of the e-mail about the file with this key."""
    instance.add_run_tags(run_id, {EMAIL_TAG: became.value, OBJECT_TAG: key})


def is_recorded(instance: dg.DagsterInstance, became: Email, key: str) -> bool:
    """Whether any run says this of the e-mail about the file with this key."""
    tags = {EMAIL_TAG: became.value, OBJECT_TAG: key}
    return bool(instance.get_run_records(dg.RunsFilter(job_name=JOB_NAME, tags=tags), limit=1))


def runs_without_email(instance: dg.DagsterInstance, limit: int) -> list[dg.RunRecord]:
    """The runs that have finished an export and could not say so, oldest first, at most so many.

    A failed one that is started again leaves that to the next one, and keeps its tag for ever: such
    runs count for nothing here, or they would hide the others behind them.
    """
    found = (one for one in _tagged_as_owed(instance) if not is_retried(one.dagster_run))
    return list(islice(found, limit))


def _tagged_as_owed(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    wanted = dg.RunsFilter(
        job_name=JOB_NAME,
        statuses=list(ENDED),
        tags={EMAIL_TAG: [became.value for became in OWED]},
    )
    after: str | None = None
    while page := instance.get_run_records(wanted, PAGE_RUNS, ascending=True, cursor=after):
        yield from page
        after = page[-1].dagster_run.run_id


def send_late(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    mailer: Mailer,
    export_rows: ExportRows,
    settings: Settings,
) -> Answer:
    """Send the e-mail of a run that has ended, unless it was sent or tells of nothing any more.

    Raises:
        ExportError: As ``send_email``.
    """
    export_id, key = export_id_of(run) or "", run.tags.get(OBJECT_TAG, "")
    if is_recorded(instance, Email.SENT, key):
        return Answer(Email.SENT, "Another run of this export sent the e-mail")
    reason = _reason_against(export_rows.get(export_id), key)
    if reason is not None:
        return Answer(Email.NONE, f"No e-mail: {reason}")
    return send_email(export_id, key, mailer, export_rows, settings)


def _reason_against(row: ExportRow | None, key: str) -> str | None:
    if row is None or row.status != "COMPLETED":
        return "the export is no longer COMPLETED"
    if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        return "the link has expired"
    if not is_published_as(row, key):
        return "the row does not link to this run's file"
    return None
