"""The sensor that sends what runs owe."""

import threading
from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository, Spool
from lf_export_pipeline.defs.cached_connections import cached_database, cached_instance
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.lifecycle.notices import Notice
from lf_export_pipeline.lifecycle.overlapping_ticks import only_one
from lf_export_pipeline.lifecycle.run_records import export_id_of, root_run_id
from lf_export_pipeline.notify.channels import Channel
from lf_export_pipeline.notify.outbox import Outbox, Outcome, open_channels
from lf_export_pipeline.settings import Settings

INTERVAL_SECONDS = 15
RUNS_PER_TICK = 50

SEND_WITHIN = 15.0
"""Seconds after which a tick gives a channel no other message; Dagster gives a tick up after 60."""

_sending = threading.Lock()


@dg.sensor(
    name="send_notifications",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends e-mails and webhook messages that ended runs still owe, until the download "
    "link has expired.",
)
@redact_unexpected_errors()
def send_notifications(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Sends what is owed; a channel that is down is left until the next tick."""
    from lf_export_pipeline.adapters.smtp.mailer import open_mailer  # noqa: PLC0415 - only in a tick
    from lf_export_pipeline.adapters.spool import open_spool  # noqa: PLC0415

    settings, instance = Settings.load(), cached_instance(context)
    rows = cached_database(settings).exports
    with only_one(_sending) as is_only:
        if not is_only:
            return dg.SkipReason("An earlier tick still waits for the answer of a server.")
        channels = open_channels(open_mailer(settings), rows, settings)
        outcomes, last = send_owed(instance, rows, channels, open_spool(settings), context.cursor)
    context.update_cursor(last)
    for one in outcomes:
        tell = context.log.warning if one.is_problem else context.log.info
        tell(f"{one.export_id}: {one.line}")
    sent = sum(one.state is Notice.SENT for one in outcomes)
    owed = sum(one.state is Notice.OWED for one in outcomes)
    return dg.SkipReason(f"{sent} notifications sent, {owed} still owed.")


def send_owed(
    instance: dg.DagsterInstance,
    export_rows: BatchExportRepository,
    channels: Sequence[Channel],
    spool: Spool,
    after: str | None = None,
) -> tuple[list[Outcome], str]:
    """What has become of each notice of the runs whose turn it is, and the last of these runs.

    Args:
        instance: Dagster's records.
        export_rows: Langfuse's table.
        channels: Where notices go.
        spool: Where attempts have their marks.
        after: The last run of the tick before.
    """
    outbox, down, outcomes = Outbox(instance, export_rows, channels), set[str](), list[Outcome]()
    spent, last, is_in_time = defaultdict[str, float](float), "", True
    for owing in outbox.owing(RUNS_PER_TICK, after):
        # Behind the first that a channel had no time for the next tick begins.
        last = owing.run_id if is_in_time else last
        run = instance.get_run_by_id(owing.run_id)  # its tags may have changed since
        if run is None:
            continue
        folder = AttemptFolder.of(spool, export_id_of(run) or "", root_run_id(run))
        found = outbox.deliver(run, folder, without=down)
        for one in found:
            spent[one.channel] += one.seconds
            is_in_time &= spent[one.channel] <= SEND_WITHIN or one.is_down
            if one.is_down or spent[one.channel] > SEND_WITHIN:
                down.add(one.channel)
        outcomes += found
    return outcomes, last
