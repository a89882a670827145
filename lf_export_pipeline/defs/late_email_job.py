"""The job and the schedule that send the e-mails that no server had taken."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.core.ports import ExportRows, Mailer
from lf_export_pipeline.defs.redacted import unforeseen_without_words
from lf_export_pipeline.defs.sweep_reports import TAGS
from lf_export_pipeline.lifecycle.retries import ANY_ZONE
from lf_export_pipeline.lifecycle.run_records import IN_FLIGHT, last_word
from lf_export_pipeline.notify.late_emails import send_late_emails
from lf_export_pipeline.notify.outbox import Answer, Email, runs_without_email
from lf_export_pipeline.settings import Settings

JOB_NAME = "send_unsent_emails"
AT_WORK = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
DEAD_AFTER = timedelta(hours=1)


@dg.op
@unforeseen_without_words()
def send_emails(
    context: dg.OpExecutionContext,
    *,
    mailer: dg.ResourceParam[Mailer],
    export_rows: dg.ResourceParam[ExportRows],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Sends the e-mails of finished exports that no mail server has accepted yet."""
    if is_sent_by_another_run(context.instance, context.run_id):
        context.log.info("Skipped: another run of this job is sending them")
        return
    found = send_late_emails(context.instance, mailer, export_rows, settings)
    for export_id, answer in found:
        tell = context.log.info if answer.became is Email.SENT else context.log.warning
        tell("%s: %s", export_id, answer.line)
    context.add_output_metadata(_report_of(found))


def _report_of(found: Sequence[tuple[str, Answer]]) -> dict[str, dg.MetadataValue]:
    lines = [(export_id, answer.became.value, answer.line) for export_id, answer in found]
    return {
        "sent": dg.MetadataValue.int(sum(answer.became is Email.SENT for _, answer in found)),
        "report": dg.MetadataValue.md(markdown_table(("export", "e-mail", "why"), lines)),
    }


SEND_UNSENT_EMAILS = dg.GraphDefinition(name=JOB_NAME, node_defs=[send_emails]).to_job(
    name=JOB_NAME,
    description=send_emails.description,
    executor_def=dg.in_process_executor,
    tags=TAGS,
)


@dg.schedule(
    name="send_unsent_emails_schedule",
    job=SEND_UNSENT_EMAILS,
    cron_schedule="*/10 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every ten minutes, if a mail server has not accepted all e-mails.",
)
def send_unsent_emails_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """A run only where there is something to send: most of the time there is not."""
    if not runs_without_email(context.instance, limit=1):
        return dg.SkipReason("No e-mail is owed.")
    if _live_runs(context.instance, IN_FLIGHT):
        return dg.SkipReason("The previous run has not ended.")
    return dg.RunRequest()


def is_sent_by_another_run(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run of this job has begun before this one and is at work.

    Two of them, such as one of the schedule and one that a person has started, would go through the
    same e-mails side by side, and send each of them twice.
    """
    begun = {
        record.dagster_run.run_id: (record.start_time or 0.0, record.dagster_run.run_id)
        for record in _live_runs(instance, AT_WORK)
    }
    return run_id in begun and min(begun.values()) < begun[run_id]


def _live_runs(
    instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus]
) -> Sequence[dg.RunRecord]:
    """The runs of this job in these states that can still be alive: nobody looks for dead ones."""
    since = datetime.now(UTC) - DEAD_AFTER
    wanted = dg.RunsFilter(
        job_name=JOB_NAME, statuses=list(statuses), updated_after=since - ANY_ZONE
    )
    return [
        record
        for record in instance.get_run_records(wanted)
        if (last_word(instance, record.dagster_run.run_id) or since) >= since
    ]
