"""The sensor that queues what standing exports are due for; ``schedules`` decides."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.defs.cached_connections import cached_database, cached_instance
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.lifecycle.notices import CHANNEL_TAGS, Notice
from lf_export_pipeline.lifecycle.overlapping_ticks import only_one
from lf_export_pipeline.notify.channels import Channel, Notification, Occasion
from lf_export_pipeline.notify.outbox import Outcome, handed_over, open_channels
from lf_export_pipeline.schedules.queueing import Done, Queueing
from lf_export_pipeline.schedules.standing import Progress, StandingExport
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.settings import Settings

INTERVAL_SECONDS = 30
NOTHING = "No standing export is due."

_telling = threading.Lock()


@dg.sensor(
    name="queue_standing_exports",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a QUEUED row to batch_exports for each window that a standing export is due "
    "for, and pauses a standing export whose last three exports failed. `reconcile_exports` then "
    "starts the runs. Job schedule_export makes standing exports, job standing_exports lists them.",
)
@redact_unexpected_errors()
def queue_standing_exports(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Queues rows; it starts no run itself."""
    settings, kept = Settings.load(), StandingExports(cached_instance(context))
    if not kept.all():
        return dg.SkipReason("There are no standing exports.")
    rows = cached_database(settings).exports
    done = Queueing(kept, rows, lambda: datetime.now(UTC), tuple(CHANNEL_TAGS)).queue_due()
    for one in done:
        tell = context.log.warning if one.is_problem else context.log.info
        tell(one.line)
    with only_one(_telling) as is_only:
        told = tell_of_pauses(kept, rows, lambda: _open_channels(rows, settings)) if is_only else []
    for outcome in told:
        context.log.info(outcome.line)
    return dg.SkipReason(summary_of(done))


def summary_of(done: Sequence[Done]) -> str:
    """One line for a tick, which Dagster shows in its list."""
    if not done:
        return NOTHING
    rows = sum(one.rows for one in done)
    return f"Exports queued: {rows}. " + "; ".join(one.line for one in done)


def tell_of_pauses(
    kept: StandingExports,
    export_rows: BatchExportRepository,
    open_all: Callable[[], Sequence[Channel]],
) -> list[Outcome]:
    """What has become of the messages about standing exports that have paused themselves."""
    owing = [(standing, progress) for standing, progress in kept.all() if progress.owed]
    outcomes: list[Outcome] = []
    if not owing:
        return outcomes
    channels = open_all()
    for standing, progress in owing:
        found = _tell(standing, progress, export_rows, channels)
        still = tuple(one.channel for one in found if one.state is Notice.OWED)
        kept.record(standing.id, progress.model_copy(update={"owed": still}))
        outcomes += found
    return outcomes


def _tell(
    standing: StandingExport,
    progress: Progress,
    export_rows: BatchExportRepository,
    channels: Sequence[Channel],
) -> list[Outcome]:
    """Nobody is told what was resumed meanwhile, or whose export is gone."""
    row = export_rows.get(standing.export_id)
    if row is None or progress.resumed(standing.resumed_at) is not progress:
        return []
    reason = f"{progress.reason[:1].upper()}{progress.reason[1:]}"
    paused = replace(row, name=standing.name, log=reason, url=None)
    notification = Notification(Occasion.PAUSED, paused)
    return [
        handed_over(channel, notification)
        for channel in channels
        if channel.name in progress.owed and channel.wants(Occasion.PAUSED)
    ]


def _open_channels(rows: BatchExportRepository, settings: Settings) -> list[Channel]:
    from lf_export_pipeline.adapters.smtp.mailer import open_mailer  # noqa: PLC0415 - only if owed

    return open_channels(open_mailer(settings), rows, settings)
