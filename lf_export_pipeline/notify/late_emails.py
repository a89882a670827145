"""Sends the e-mails that no server had taken when their export was finished."""

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import ExportRows, Mailer
from lf_export_pipeline.lifecycle.partitions import OBJECT_TAG
from lf_export_pipeline.lifecycle.run_records import export_id_of
from lf_export_pipeline.notify.outbox import (
    Answer,
    Email,
    after_error,
    is_recorded,
    record_email,
    runs_without_email,
    send_late,
)
from lf_export_pipeline.settings import Settings

AT_ONCE_MAX = 500


def send_late_emails(
    instance: dg.DagsterInstance, mailer: Mailer, export_rows: ExportRows, settings: Settings
) -> list[tuple[str, Answer]]:
    """What became of each e-mail that had not been sent, by export; the oldest is first.

    When the server takes none for now, that ends it: the others would only wait for the same
    server. What it has against one message, or one recipient, does not keep the others. Each run
    is tagged as soon as its e-mail is sent, so that no later look sends it again.
    """
    found = []
    for record in runs_without_email(instance, AT_ONCE_MAX):
        run = record.dagster_run
        answer = _tried(instance, run, mailer, export_rows, settings)
        found.append((export_id_of(run) or "", answer))
        record_email(instance, run.run_id, answer.became, run.tags.get(OBJECT_TAG, ""))
        if answer.concerns_all:
            break
    return found


def _tried(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    mailer: Mailer,
    export_rows: ExportRows,
    settings: Settings,
) -> Answer:
    try:
        return send_late(instance, run, mailer, export_rows, settings)
    except ExportError as error:
        is_repeated = is_recorded(instance, Email.UNANSWERED, run.tags.get(OBJECT_TAG, ""))
        return after_error(error, mailer, is_repeated=is_repeated)
