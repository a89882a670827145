"""Reading an instant as JavaScript's ``new Date(value)`` does: so Langfuse reads filter values."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

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
_YEAR, _DAY, _MONTH = r"(?P<year>\d{4})", r"(?P<day>\d\d?)", r"(?P<month>[a-z]{3,9})"
_DATES = (
    rf"{_YEAR}(?P<mark>[-/.])(?P<month>\d\d?)(?:(?P=mark){_DAY})?",
    rf"(?P<month>\d\d?)/{_DAY}/{_YEAR}",
    rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}",
    rf"{_DAY}[\s-]+{_MONTH}[\s-]+{_YEAR}",
    rf"{_YEAR}[\s-]+{_MONTH}[\s-]+{_DAY}",
)
_CLOCK = (
    r"(?:,?\s+(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?:\s?(?P<half>[AP]M))?)?"
)
_OFFSET = r"(?:GMT|UTC)?[+-]\d\d:?\d\d|[ECMP][SD]T"
_ZONE = rf"(?:\s?(?P<zone>Z|GMT|UTC|(?(hour)(?:{_OFFSET})|(?!))))?"  # an offset is one of a clock
_WEEKDAY, _ZONE_NAME = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?", r"(?:\s*\([^()]*\))?"
_WRITTEN = tuple(
    re.compile(_WEEKDAY + date + _CLOCK + _ZONE + _ZONE_NAME, re.ASCII | re.IGNORECASE)
    for date in _DATES
)
"""RFC 2822, ``Date.toString()``, and what people write; of that nothing that can be misread."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_AMERICAN_HOURS = {"E": -5, "C": -6, "M": -7, "P": -8}  # and an hour later in summer


def parse_js_date(value: object) -> datetime:
    """An instant in UTC, cut to milliseconds.

    Texts without a zone are UTC, numbers are milliseconds since 1970, null is 1970 itself
    (Langfuse: ``z.coerce.date()``). What JavaScript has to guess is refused: 3-1-2031, a year of
    two digits, the 30th of February. Years that Python cannot hold become its first or last
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
        for form in (_ISO, *_WRITTEN):
            if match := form.fullmatch(text):
                return _from_parts(match.groupdict())
    raise ValueError("not an instant")


def _from_epoch_ms(value: float | Decimal) -> datetime:
    if not -_JS_LIMIT_MS <= value <= _JS_LIMIT_MS:  # also true of NaN
        raise ValueError("beyond the range of instants")
    try:
        return EPOCH + timedelta(milliseconds=int(value))
    except OverflowError:
        return LATEST if value > 0 else EARLIEST


def _from_parts(parts: Mapping[str, str | None]) -> datetime:
    written = parts["year"] or ""
    year = int(written)
    if year not in _JS_YEARS or written == "-000000":
        raise ValueError("beyond the range of instants")
    hour, minute, second = (int(parts[part] or 0) for part in ("hour", "minute", "second"))
    milliseconds = int(f"{parts['fraction'] or '':0<3}"[:3])
    midnight = hour == 24 and not (minute or second or milliseconds)  # the end of the day
    instant = datetime(
        min(max(year, EARLIEST.year), LATEST.year),
        _month(parts["month"] or "1"),
        int(parts["day"] or 1),
        0 if midnight else _hour(hour, parts.get("half")),
        minute,
        second,
        milliseconds * 1000,
        tzinfo=_zone(parts["zone"]),
    )
    if instant.year != year:
        return LATEST if year > instant.year else EARLIEST
    return _utc(instant, timedelta(days=1) if midnight else timedelta())


def _month(text: str) -> int:
    if text.isdecimal():
        return int(text)
    found = [at for at, name in enumerate(_MONTHS, start=1) if name.startswith(text.lower())]
    if not found:
        raise ValueError("not a month")
    return found[0]


def _hour(number: int, half: str | None) -> int:
    """The hour of the day, where it may be told as one of half a day."""
    if not half:
        return number
    if number > 12:
        raise ValueError("beyond the hours of half a day")
    return number % 12 + (12 if half.upper() == "PM" else 0)


def _zone(text: str | None) -> timezone:
    name = (text or "Z").upper().removeprefix("GMT").removeprefix("UTC") or "Z"
    if name == "Z":
        return UTC
    if name.endswith("T"):
        return timezone(timedelta(hours=_AMERICAN_HOURS[name[0]] + (name[1] == "D")))
    offset = timedelta(hours=int(name[1:3]), minutes=int(name[-2:]))
    return timezone(-offset if name[0] == "-" else offset)


def _utc(instant: datetime, shift: timedelta = timedelta()) -> datetime:
    try:
        moved = instant.astimezone(UTC) + shift
    except OverflowError:
        return EARLIEST if instant.year == EARLIEST.year else LATEST
    return moved.replace(microsecond=moved.microsecond // 1000 * 1000)


def earlier(instant: datetime, span: timedelta) -> datetime:
    """The instant before by a span; the first one there is, if that lies beyond it."""
    return instant - span if instant - EARLIEST > span else EARLIEST
