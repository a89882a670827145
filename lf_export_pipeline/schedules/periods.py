"""Ticks of a cron expression and periods of the calendar, in a time zone; no clock is asked.

All instants that come out are UTC. A day has the hours that it has: 23 or 25 when clocks change.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import assert_never
from zoneinfo import ZoneInfo

# Dagster's own schedules tick by these; they know the days on which clocks change.
from dagster._utils.schedules import (
    cron_string_iterator,
    is_valid_cron_string,
    reverse_cron_string_iterator,
)

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.validation_messages import quote_value

_INSTANT = timedelta(microseconds=1)


class Period(StrEnum):
    """Parts of the calendar."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def require_cron(cron: str) -> None:
    """Nothing, if the expression is one.

    Raises:
        PermanentError: It is none, or one that never ticks.
    """
    try:
        is_valid = is_valid_cron_string(cron)
        if is_valid:
            next(cron_string_iterator(0, cron, "UTC"))
    except Exception:  # noqa: BLE001 - its parser has many errors for what is no expression
        is_valid = False
    if not is_valid:
        raise PermanentError(
            f"{quote_value(cron)} is not a cron expression; expected five fields (minute, hour, "
            "day of month, month, day of week) such as '0 6 * * *', or @hourly, @daily, @weekly, "
            "@monthly."
        )


def require_timezone(name: str) -> None:
    """Nothing, if there is such a time zone.

    Raises:
        PermanentError: There is none.
    """
    try:
        ZoneInfo(name)
    except Exception:  # noqa: BLE001 - a missing file, a folder, odd characters
        raise PermanentError(
            f"There is no time zone {quote_value(name)}; expected a name such as UTC or "
            "Europe/Berlin."
        ) from None


def ticks_after(cron: str, timezone: str, instant: datetime) -> Iterator[datetime]:
    """The ticks later than an instant, in order, without end."""
    for tick in cron_string_iterator(instant.timestamp(), cron, timezone):
        utc = tick.astimezone(UTC)
        if utc > instant:
            yield utc


def last_tick(cron: str, timezone: str, instant: datetime) -> datetime:
    """The last tick that is not later than an instant."""
    ticks = reverse_cron_string_iterator(instant.timestamp(), cron, timezone)
    return next(utc for tick in ticks if (utc := tick.astimezone(UTC)) <= instant)


def period_before(period: Period, timezone: str, instant: datetime) -> tuple[datetime, datetime]:
    """Begin and end of the last period that is over at an instant."""
    end = begin_of(period, timezone, instant)
    return begin_of(period, timezone, end - _INSTANT), end


def begin_of(period: Period, timezone: str, instant: datetime) -> datetime:
    """When the period began in which an instant lies; weeks begin on Monday."""
    zone = ZoneInfo(timezone)
    local = instant.astimezone(zone)
    day = local.date()
    match period:
        case Period.HOUR:
            into = timedelta(minutes=local.minute, seconds=local.second)
            return (instant - into - timedelta(microseconds=local.microsecond)).astimezone(UTC)
        case Period.DAY:
            pass
        case Period.WEEK:
            day -= timedelta(days=day.weekday())
        case Period.MONTH:
            day = day.replace(day=1)
        case _:
            assert_never(period)
    return datetime.combine(day, time(), zone).astimezone(UTC)
