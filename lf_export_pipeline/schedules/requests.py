"""What people ask of standing exports, from a shell or the launchpad."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.parsing import compiled_unanswered, parse_request
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value
from lf_export_pipeline.core.request.windowed_query import Window, written
from lf_export_pipeline.schedules.queueing import row_of
from lf_export_pipeline.schedules.standing import Progress, StandingExport
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.schedules.timetable import (
    Missed,
    Timetable,
    WindowKind,
    due_after,
    first_begin,
    require_tiling,
    window_kind,
)
from lf_export_pipeline.settings import Settings

LAG_MINUTES = 20
"""As long as Langfuse's own scheduled exports wait for rows that arrive late."""


class ScheduleConfig(dg.Config):
    """Which export is made again, when, and for which window."""

    # An empty text stands for none: the launchpad scaffolds only what has a default to show.
    export_id: str = Field(
        default="", description="Id of an export that was made in Langfuse: this one, again."
    )
    cron: str = Field(
        default="0 6 * * *",
        description="When: a cron expression of five fields, or @hourly, @daily, @weekly, "
        "@monthly.",
    )
    window: str = Field(
        default=WindowKind.PREVIOUS_DAY.value,
        description=f"Which rows, by their time: {', '.join(WindowKind)}.",
    )
    timezone: str = Field(
        default="UTC", description="In which it ticks, and in which days begin; Europe/Berlin."
    )
    lag_minutes: int = Field(
        default=LAG_MINUTES,
        description="How long after its tick an export is requested, for rows that arrive late.",
    )
    missed: str = Field(
        default=Missed.CATCH_UP.value,
        description="What becomes of ticks that were missed: catch-up makes each window, the "
        "oldest first; skip makes the newest alone.",
    )
    name: str = Field(
        default="", description="What the exports are called; the export's own name if empty."
    )
    since: str = Field(
        default="",
        description="Where the first window begins, such as 2031-03-01 or 2031-03-01T00:00Z, "
        "without a zone in that of timezone: earlier windows are caught up. If empty, the window "
        "of the next tick is the first.",
    )


class Action(StrEnum):
    """What can be done with standing exports."""

    LIST = "list"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"


def schedule(
    kept: StandingExports,
    export_rows: BatchExportRepository,
    config: ScheduleConfig,
    now: datetime,
    settings: Settings,
) -> StandingExport:
    """A new standing export, kept from now on.

    Raises:
        PermanentError: There is no such export, its table has no time, it could not be made over a
            window, or the timetable is none by which windows tile time.
    """
    original = export_rows.stored(config.export_id)
    if original is None:
        raise PermanentError(f"There is no export {quote_value(config.export_id)} to make again.")
    table = _timetable(config)
    require_tiling(table, now)
    begin = _since(config.since, table.timezone, now) or first_begin(table, now)
    standing = StandingExport(
        id=f"standing-{secrets.token_hex(4)}",
        export_id=original.id,
        name=config.name or original.name,
        project_id=original.project_id,
        table=original.table or "",
        cron=table.cron,
        timezone=table.timezone,
        window=table.window,
        lag_minutes=config.lag_minutes,
        missed=table.missed,
        created_at=now,
        begin=begin,
    )
    _require_exportable(standing, original, now, settings)
    kept.add(standing)
    return standing


def change(
    kept: StandingExports, action: Action, ids: Sequence[str], now: datetime
) -> list[dict[str, str]]:
    """The records of those named, as they are now; of those that were removed, as they were.

    Raises:
        PermanentError: There is no such standing export, or none was named.
    """
    if action is Action.LIST:
        return [record_of(*each) for each in (kept.these(ids) if ids else kept.all())]
    if not ids:
        raise PermanentError(f"Name the standing exports to {action}, by their ids.")
    found = kept.these(ids)
    for standing, _ in found:
        if action is Action.REMOVE:
            kept.remove(standing.id)
        else:
            kept.change(_changed(standing, action, now))
    if action is Action.REMOVE:
        return [record_of(*each) | {"state": "removed"} for each in found]
    return [record_of(*each) for each in kept.these(ids)]


def is_paused(standing: StandingExport, progress: Progress) -> bool:
    """Whether nothing is queued until somebody resumes it, whoever has paused it."""
    paused_itself = progress.resumed(standing.resumed_at).paused_at is not None
    return standing.is_paused or paused_itself


def record_of(standing: StandingExport, progress: Progress) -> dict[str, str]:
    """What people are shown of one, by name."""
    progress = progress.resumed(standing.resumed_at)
    state, said = "active", progress.problem
    if standing.is_paused:
        state, said = "paused", "paused by hand"
    elif progress.paused_at is not None:
        state = "paused"
        said = f"paused itself at {progress.paused_at:%Y-%m-%d %H:%M} UTC: {progress.reason}"
    due = "" if state == "paused" else written(due_after(standing.timetable, progress.begin))
    return {
        "id": standing.id,
        "state": state,
        "name": standing.name,
        "project": standing.project_id,
        "table": standing.table,
        "cron": standing.cron,
        "timezone": standing.timezone,
        "window": standing.window,
        "lag_minutes": str(standing.lag_minutes),
        "missed": standing.missed,
        "next_begin": written(progress.begin),
        "next_due": due,
        "last_export": progress.queued[-1] if progress.queued else "",
        "export": standing.export_id,
        "said": said,
    }


def _changed(standing: StandingExport, action: Action, now: datetime) -> StandingExport:
    if action is Action.PAUSE:
        return standing.model_copy(update={"is_paused": True})
    return standing.model_copy(update={"is_paused": False, "resumed_at": now})


def _require_exportable(
    standing: StandingExport, original: StoredExport, now: datetime, settings: Settings
) -> None:
    """Nothing, if a run could make the export: first as it is, then over a window."""
    limits, defaults = settings.limits, settings.file_defaults
    parse_request(original, limits, defaults)
    row = row_of(standing, original, Window(standing.begin, now), now)
    compiled_unanswered(parse_request(row, limits, defaults), limits)


def _timetable(config: ScheduleConfig) -> Timetable:
    try:
        missed = Missed(config.missed)
    except ValueError:
        raise PermanentError(
            f"'missed' is {quote_value(config.missed)}; expected one of "
            f"{join_limited(list(Missed))}."
        ) from None
    try:
        lag = timedelta(minutes=config.lag_minutes)
    except OverflowError:
        lag = timedelta.max  # which is refused with the others that are too long
    return Timetable(config.cron, config.timezone, window_kind(config.window), lag, missed)


def _since(text: str, timezone: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
        local = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(timezone))
        instant = local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PermanentError(
            f"since is {quote_value(text)}, which is not a valid time; write it like "
            "2031-03-01T08:00Z."
        ) from error
    if not now - timedelta(days=3660) <= instant <= now:
        raise PermanentError(
            f"since is {quote_value(text)}; expected a time of the last ten years."
        )
    return instant.replace(microsecond=0)
