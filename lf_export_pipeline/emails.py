"""The e-mail about a finished export: who gets it, and what becomes of one that nobody has taken.

The run of an export tries for some seconds. If the mail server is away for longer, the run ends
without the e-mail, since it would hold up a place in the queue. The tag ``lf_export/email`` says
so, and ``housekeeping.late_emails`` sends it when the server is back.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import dagster as dg

from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.core.ports import ExportRows, Mailer
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.notification import build_notification
from lf_export_pipeline.runs.history import JOB_NAME, export_id_of
from lf_export_pipeline.runs.partitions import EMAIL_TAG
from lf_export_pipeline.settings import Settings


class Email(StrEnum):
    """What has become of an e-mail, as a tag of the run says."""

    SENT = "sent"
    UNSENT = "unsent"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was done about an e-mail, and a line for the log that says it."""

    became: Email
    line: str


def send_email(
    export_id: str, mailer: Mailer, export_rows: ExportRows, settings: Settings
) -> Answer:
    """Send the e-mail if there is someone to send it to.

    Raises:
        TransientError: The mail server or the database is away.
        PermanentError: The address is none, or the mail server does not want the message.
        ConfigurationError: There is no mail server, or it refuses us.
    """
    row = export_rows.get(export_id)
    if row is None or row.url is None:
        return Answer(Email.NONE, "No e-mail: the row no longer holds a link")
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
    return Answer(Email.SENT, "The requester was sent an e-mail")


def may_be_sent_later(error: ExportError, mailer: Mailer) -> bool:
    """Whether the same message may be taken once the server is back, or let us in again."""
    if isinstance(error, ConfigurationError):
        return mailer.configured  # who has set up no mail server waits for no e-mail
    return isinstance(error, TransientError)


def record_email(instance: dg.DagsterInstance, run_id: str, became: Email) -> None:
    """Tag a run with what has become of its e-mail, so that people and the schedule find it."""
    instance.add_run_tags(run_id, {EMAIL_TAG: became.value})


def runs_without_email(instance: dg.DagsterInstance, limit: int) -> list[dg.RunRecord]:
    """The runs that have finished an export and could not say so, oldest first."""
    wanted = dg.RunsFilter(
        job_name=JOB_NAME,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        tags={EMAIL_TAG: Email.UNSENT.value},
    )
    return list(instance.get_run_records(wanted, limit=limit, ascending=True))


def send_late(
    record: dg.RunRecord, mailer: Mailer, export_rows: ExportRows, settings: Settings
) -> Answer:
    """Send the e-mail of a run that has ended, unless it would tell of nothing any more.

    Raises:
        ExportError: As ``send_email``.
    """
    export_id = export_id_of(record.dagster_run) or ""
    reason = _reason_against(record, export_rows.get(export_id))
    if reason is not None:
        return Answer(Email.NONE, f"No e-mail: {reason}")
    return send_email(export_id, mailer, export_rows, settings)


def _reason_against(record: dg.RunRecord, row: ExportRow | None) -> str | None:
    if row is None or row.status != "COMPLETED" or row.finished_at is None:
        return "the export is not COMPLETED any more"
    if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        return "the link has expired"
    if record.end_time is not None and row.finished_at.timestamp() > record.end_time:
        return "the export was made once more since, by a run with an e-mail of its own"
    return None
