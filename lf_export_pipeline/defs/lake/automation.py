"""When the lake is looked at, and who asks for what has to be written."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from lf_export_pipeline.defs.lake.observed import DAYS_TAG
from lf_export_pipeline.defs.lake.shape import GROUP, RUN_TAGS, LakeShape

OBSERVE_JOB: Final = "observe_langfuse"
SLICE_DAYS: Final = 92
DAILY: Final = "21 2 * * *"


def observe_schedules(shape: LakeShape) -> list[dg.ScheduleDefinition]:
    """The last days every hour, and all days once a day."""

    @dg.schedule(
        name="observe_recent_days",
        job_name=OBSERVE_JOB,
        cron_schedule=shape.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks which of the last 35 days have changed.",
    )
    def recent(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=f"recent-{context.scheduled_execution_time.isoformat()}")

    @dg.schedule(
        name="observe_all_days",
        job_name=OBSERVE_JOB,
        cron_schedule=DAILY,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks once a day which of all days have changed, a quarter of a year per run.",
    )
    def everything(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        now = context.scheduled_execution_time.astimezone(UTC)
        for span in slices(shape.first_day, now):
            yield dg.RunRequest(run_key=f"all-{now.isoformat()}-{span}", tags={DAYS_TAG: span})

    return [recent, everything]


def slices(first: date, now: datetime) -> list[str]:
    """All days until an instant, as tags of runs."""
    end = now.date() + timedelta(days=1)
    found = []
    while first < end:
        stop = min(first + timedelta(days=SLICE_DAYS), end)
        found.append(f"{first.isoformat()}/{stop.isoformat()}")
        first = stop
    return found


def healing_sensor(
    lake_assets: Sequence[dg.AssetsDefinition],
) -> dg.AutomationConditionSensorDefinition:
    """Asks for runs of the days that were observed to have changed."""
    assets = dg.AssetSelection.assets(*lake_assets)
    return dg.AutomationConditionSensorDefinition(
        name=f"heal_{GROUP}",
        target=assets | dg.AssetSelection.checks_for_assets(*lake_assets),
        run_tags=RUN_TAGS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Asks for runs of the days that have changed in Langfuse since they were "
        "written; of what has failed again each hour; of the checks once a day.",
    )
