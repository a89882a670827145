"""Which window a standing export is due for: a pure decision, asked again at every tick.

A window begins where the one before has ended, so that windows tile time whatever was missed. It
ends at a tick of the cron expression, or where the calendar's period ended that was over then. It
is due when the lag after its tick has passed, for rows that arrive late.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value
from lf_export_pipeline.core.request.windowed_query import Window
from lf_export_pipeline.schedules.periods import (
    Period,
    begin_of,
    last_tick,
    period_before,
    require_cron,
    require_timezone,
    ticks_after,
)

LAG_MAX = timedelta(days=7)
TRIED_FOR = timedelta(days=400)  # every day on which clocks change is among them
TRIED_TICKS_MAX = 10_000


class WindowKind(StrEnum):
    """Which rows a standing export is for."""

    SINCE_LAST = "since-last"
    PREVIOUS_HOUR = "previous-hour"
    PREVIOUS_DAY = "previous-day"
    PREVIOUS_WEEK = "previous-week"
    PREVIOUS_MONTH = "previous-month"

    @property
    def period(self) -> Period | None:
        """The part of the calendar; None: from tick to tick."""
        return (
            None if self is WindowKind.SINCE_LAST else Period(self.value.removeprefix("previous-"))
        )


class Missed(StrEnum):
    """What becomes of ticks at which nobody was there."""

    CATCH_UP = "catch-up"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Timetable:
    """When there is a window, and which.

    Attributes:
        cron: The expression that ticks.
        timezone: In which it does, and in which days begin.
        window: What a window ends with.
        lag: How long after its tick a window is due.
        missed: Whether each missed window is made, or the newest alone.
    """

    cron: str
    timezone: str
    window: WindowKind
    lag: timedelta
    missed: Missed


def window_kind(words: str) -> WindowKind:
    """The kind that goes by these words, ``previous day`` or ``previous-day``.

    Raises:
        PermanentError: None does.
    """
    name = "-".join(words.lower().replace("-", " ").split()).replace("-the-last-one", "-last")
    try:
        return WindowKind(name)
    except ValueError:
        raise PermanentError(
            f"The window {quote_value(words)} is not known; expected one of "
            f"{join_limited(list(WindowKind))}."
        ) from None


def require_tiling(table: Timetable, now: datetime) -> None:
    """Refuse a timetable by which rows would come twice, or never, even if nothing is missed.

    Tried on the ticks of the next 400 days, and on two at least.

    Raises:
        PermanentError: The expression, the zone or the lag is none, or windows overlap or leave a
            gap.
    """
    require_cron(table.cron)
    require_timezone(table.timezone)
    if not timedelta() <= table.lag <= LAG_MAX:
        raise PermanentError("The lag is not between 0 and 10,080 minutes, which are seven days.")
    if table.window.period is not None:
        for one, other in pairwise(islice(_calendar_windows(table, now), TRIED_TICKS_MAX)):
            _require_neighbours(table, one, other)


def first_begin(table: Timetable, now: datetime) -> datetime:
    """Where the first window begins of a standing export that is made now.

    From tick to tick that is the last tick; of the calendar it is the period that the next tick is
    for.
    """
    if table.window.period is None:
        return last_tick(table.cron, table.timezone, now)
    tick = next(ticks_after(table.cron, table.timezone, now))
    return period_before(table.window.period, table.timezone, tick)[0]


def next_window(table: Timetable, begin: datetime, now: datetime) -> Window | None:
    """The window that is due first; None: none is.

    If missed ticks are caught up, that is the one of the first tick that was missed. Else it is the
    one of the newest: from tick to tick it begins where the last has ended, so that nothing is left
    out, and of the calendar's periods the earlier ones are.

    Args:
        table: When there are windows.
        begin: Where the last window has ended.
        now: The present.
    """
    until = now - table.lag
    if table.missed is Missed.SKIP:
        tick = last_tick(table.cron, table.timezone, until)
        period = table.window.period
        since = begin if period is None else period_before(period, table.timezone, tick)[0]
        window = Window(max(begin, since), _end(table, tick))
        return window if window.begin < window.end else None
    for tick in ticks_after(table.cron, table.timezone, begin):
        if tick > until:
            return None
        if (end := _end(table, tick)) > begin:
            return Window(begin, end)
    return None


def due_after(table: Timetable, begin: datetime) -> datetime:
    """When the window that begins there is due."""
    ticks = ticks_after(table.cron, table.timezone, begin)
    return next(tick for tick in ticks if _end(table, tick) > begin) + table.lag


def window_title(window: Window, timezone: str) -> str:
    """What tells the files of windows apart: ``2026-11-28`` for a day, ``2026-11`` for a month."""
    zone = ZoneInfo(timezone)
    begin, end = window.begin.astimezone(zone), window.end.astimezone(zone)
    for period, form in ((Period.DAY, "%Y-%m-%d"), (Period.MONTH, "%Y-%m")):
        if (window.begin, window.end) == _period_at(period, timezone, window.begin):
            return f"{begin:{form}}"
    first = f"{begin:%Y-%m-%d %H:%M}"
    last = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    zones = f"{begin:%Z}", f"{end:%Z}"  # that of winter is not that of summer
    return (
        f"{first} to {last} {zones[1]}"
        if zones[0] == zones[1]
        else (f"{first} {zones[0]} to {last} {zones[1]}")
    )


def _period_at(period: Period, timezone: str, instant: datetime) -> tuple[datetime, datetime]:
    """Begin and end of the day or month in which an instant lies."""
    begin = begin_of(period, timezone, instant)
    longer = timedelta(hours=36) if period is Period.DAY else timedelta(days=35)
    return begin, begin_of(period, timezone, begin + longer)


def _end(table: Timetable, tick: datetime) -> datetime:
    period = table.window.period
    return tick if period is None else begin_of(period, table.timezone, tick)


def _calendar_windows(table: Timetable, now: datetime) -> Iterator[tuple[datetime, Window]]:
    """The ticks of the time that is tried, and the periods before them."""
    period = table.window.period
    assert period is not None  # noqa: S101 - see the caller
    for number, tick in enumerate(ticks_after(table.cron, table.timezone, now)):
        if tick > now + TRIED_FOR and number > 1:
            return
        yield tick, Window(*period_before(period, table.timezone, tick))


def _require_neighbours(
    table: Timetable, one: tuple[datetime, Window], other: tuple[datetime, Window]
) -> None:
    (tick, window), (next_tick, next_one) = one, other
    if next_one.begin == window.end:
        return
    zone = ZoneInfo(table.timezone)
    ticks = " and ".join(f"{each.astimezone(zone):%Y-%m-%d %H:%M}" for each in (tick, next_tick))
    what = (
        "overlap, so that rows would be exported twice"
        if next_one.begin < window.end
        else "leave a gap, whose rows would never be exported"
    )
    raise PermanentError(
        f"The windows {table.window} of the ticks {ticks} {what}: let {quote_value(table.cron)} "
        f"tick once in every {table.window.period}, or take the window since-last, which fits "
        "every cron expression."
    )
