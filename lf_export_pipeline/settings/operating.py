"""What an operator decides about running exports, beside Dagster's own ``dagster.yaml``."""

import os
from datetime import timedelta

from pydantic import BaseModel, Field


class OperatingSettings(BaseModel):
    """What operators watch over; `dagster.yaml` says how many runs go at once."""

    lf_export_max_runs: int = Field(
        default=20,
        ge=1,
        description="Runs that the sensor keeps in Dagster, waiting or running; further exports "
        "stay QUEUED in Langfuse, where the projects take turns.",
    )
    lf_export_starts_per_tick: int | None = Field(
        default=None,
        ge=1,
        description="Runs that the sensor starts in one tick; by default one per two processor "
        "cores of the code server, since each run that starts keeps a core busy for some seconds.",
    )
    lf_export_max_recoveries: int = Field(
        default=3,
        ge=0,
        description="How often an export that was lost in a crash is queued again; then it fails.",
    )
    lf_export_lost_after_seconds: int = Field(
        default=3600,
        ge=1,
        description="An export that is PROCESSING without a run, and untouched for that long, "
        "counts as lost; a run that has recorded nothing for that long counts as dead, unless a "
        "step of it touches its row: then after twelve times that if it uploads, and otherwise "
        "after an hour at least, since no statement of it may take that long.",
    )
    lf_export_silent_after_seconds: int = Field(
        default=300,
        ge=1,
        description="A run in the middle of a step, which touches its row every 20 seconds, counts "
        "as dead after this much silence. Keep it above 60, or a short pause looks like a crash.",
    )
    lf_export_spool_keep_hours: int = Field(
        default=24,
        ge=1,
        description="How long the spool of a failed export is kept to resume it.",
    )
    lf_export_queue_wait_warning_seconds: int = Field(
        default=900,
        ge=1,
        description="Seconds that the oldest QUEUED export may wait before a check fails.",
    )
    lf_export_failures_warning: int = Field(
        default=1, ge=1, description="How many failed exports within an hour make a check fail."
    )

    @property
    def starts_per_tick(self) -> int:
        """How many runs begin together."""
        return self.lf_export_starts_per_tick or max(1, (os.cpu_count() or 1) // 2)

    @property
    def lost_after(self) -> timedelta:
        """How long nothing is heard of an export until it counts as lost."""
        return timedelta(seconds=self.lf_export_lost_after_seconds)

    @property
    def silent_after(self) -> timedelta:
        """How long a run that works gives no sign of life until it counts as dead."""
        return timedelta(seconds=self.lf_export_silent_after_seconds)

    @property
    def spool_kept_for(self) -> timedelta:
        """How long the spool of a failed export is kept."""
        return timedelta(hours=self.lf_export_spool_keep_hours)
