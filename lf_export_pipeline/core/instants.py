"""Reading an instant as JavaScript's ``new Date(value)`` does: so Langfuse reads filter values."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(microsecond=999_000, tzinfo=UTC)

_JS_LIMIT_MS = 8_640_000_000_000_000
_JS_YEARS = range(-271_821, 275_761)
_ISO = re.compile(
    r"(?P<year>\d{4}|[+-]\d{6})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_DAY_FORMATS = ("%Y/%m/%d", "%m/%d/%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")
_CLOCK_FORMATS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


def read_instant(value: object) -> datetime:
    """An instant in UTC, cut to milliseconds.

    Texts without a zone are UTC, numbers are milliseconds since 1970, null is 1970 itself
    (Langfuse: ``z.coerce.date()``). Years that Python cannot hold become its first or last
    instant: no stored instant lies beyond them, so every comparison keeps its meaning.

    Raises:
        ValueError: The value is no instant.
    """
    if value is None:
        return EPOCH
    if isinstance(value, datetime):
        return _utc(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _from_epoch_ms(value)
    if isinstance(value, str):
        text = value.strip()
        match = _ISO.fullmatch(text)
        return _from_iso(match) if match else _from_written(text)
    raise ValueError("not an instant")


def _from_epoch_ms(value: float | Decimal) -> datetime:
    if not -_JS_LIMIT_MS <= value <= _JS_LIMIT_MS:  # also true of NaN
        raise ValueError("beyond the range of instants")
    try:
        return EPOCH + timedelta(milliseconds=int(value))
    except OverflowError:
        return LATEST if value > 0 else EARLIEST


def _from_iso(match: re.Match[str]) -> datetime:
    year = int(match["year"])
    if year not in _JS_YEARS or match["year"] == "-000000":
        raise ValueError("beyond the range of instants")
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    milliseconds = int(f"{match['fraction'] or '':0<3}"[:3])
    midnight = hour == 24 and not (minute or second or milliseconds)  # the end of the day
    instant = datetime(
        min(max(year, EARLIEST.year), LATEST.year),
        int(match["month"] or 1),
        int(match["day"] or 1),
        0 if midnight else hour,
        minute,
        second,
        milliseconds * 1000,
        tzinfo=_zone(match["zone"]),
    )
    if instant.year != year:
        return LATEST if year > instant.year else EARLIEST
    return _utc(instant, timedelta(days=1) if midnight else timedelta())


def _zone(text: str | None) -> timezone:
    if not text or text.upper() in {"Z", "UTC", "GMT"}:
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _from_written(text: str) -> datetime:
    """RFC 2822 and the written forms that people and ``Date.toString()`` use."""
    plain = re.sub(r"\s*\([^()]*\)$", "", text)  # the zone's name, as toString() appends it
    plain = re.sub(r"\b(?:GMT|UTC)?([+-]\d{4})$", r"\1", plain)
    plain = re.sub(r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +", "", plain, flags=re.IGNORECASE)
    plain = re.sub(r"^([A-Za-z]{3}) (\d\d) (\d{4})\b", r"\2 \1 \3", plain)
    with suppress(ValueError, OverflowError):
        parsed = parsedate_to_datetime(plain)
        return _utc(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    for day in _DAY_FORMATS:
        for clock in _CLOCK_FORMATS:
            with suppress(ValueError):
                return datetime.strptime(plain, day + clock).replace(tzinfo=UTC)
    raise ValueError("not an instant")


def _utc(instant: datetime, shift: timedelta = timedelta()) -> datetime:
    try:
        moved = instant.astimezone(UTC) + shift
    except OverflowError:
        return EARLIEST if instant.year == EARLIEST.year else LATEST
    return moved.replace(microsecond=moved.microsecond // 1000 * 1000)


def earlier(instant: datetime, span: timedelta) -> datetime:
    """The instant before by a span; the first one there is, if that lies beyond it."""
    return instant - span if instant - EARLIEST > span else EARLIEST
