from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.core.request.js_dates import EARLIEST, EPOCH, LATEST, parse_js_date

MARCH = datetime(2031, 3, 1, tzinfo=UTC)
TEN = datetime(2031, 3, 1, 10, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, EPOCH),
        (0, EPOCH),
        (-1, EPOCH - timedelta(milliseconds=1)),
        (1930089600123.9, MARCH + timedelta(milliseconds=123)),
        (-0.9, EPOCH),
        ("2031-03-01", MARCH),
        ("2031-03", MARCH),
        ("2031", datetime(2031, 1, 1, tzinfo=UTC)),
        ("2031-03-01T10:20:30Z", TEN),
        ("2031-03-01T10:20:30", TEN),
        ("2031-03-01 10:20:30", TEN),
        ("2031-03-01T10:20", TEN - timedelta(seconds=30)),
        ("2031-03-01t10:20:30z", TEN),
        (" 2031-03-01T10:20:30Z ", TEN),
        ("2031-03-01T10:20:30.1Z", TEN + timedelta(milliseconds=100)),
        ("2031-03-01T10:20:30.123456789Z", TEN + timedelta(milliseconds=123)),
        ("2031-03-01T12:20:30+02:00", TEN),
        ("2031-03-01T12:20:30+0200", TEN),
        ("2031-03-01T02:50:30-07:30", TEN),
        ("2031-02-28T24:00:00Z", MARCH),
        ("+002031-03-01T10:20:30Z", TEN),
        ("Sat, 01 Mar 2031 10:20:30 GMT", TEN),
        ("Sat, 01 Mar 2031 12:20:30 +0200", TEN),
        ("Sat Mar 01 2031 12:20:30 GMT+0200 (Central European Summer Time)", TEN),
        ("Mar 1, 2031", MARCH),
        ("March 1, 2031 10:20:30", TEN),
        ("1 March 2031 10:20", TEN - timedelta(seconds=30)),
        ("2031/03/01", MARCH),
        ("3/1/2031 10:20:30 AM", TEN),
        ("2031-3-1", MARCH),
        ("2031-3", MARCH),
        ("2031.3.1", MARCH),
        ("2031-03-1 10:20:30", TEN),
        ("2031-3-1, 10:20:30.000Z", TEN),
        ("2031/3/1 12:20:30 +02:00", TEN),
        ("2031-3-1 10:20:30 PM", TEN + timedelta(hours=12)),
        ("2031-3-1 12:20:30 AM", TEN - timedelta(hours=10)),
        ("2031-3-1 12:20:30 PM", TEN + timedelta(hours=2)),
        ("1 March 2031, 10:20:30 pm", TEN + timedelta(hours=12)),
        ("March 1 2031", MARCH),
        ("Mar 1, 2031 12:20:30+02:00", TEN),
        ("1-Mar-2031", MARCH),
        ("2031 Sept 1", datetime(2031, 9, 1, tzinfo=UTC)),
        ("Sat, 01 Mar 2031 05:20:30 EST", TEN),
        ("Sat, 01 Mar 2031 03:20:30 PDT", TEN),
        ("0000-01-01", EARLIEST),
        ("-000001-01-01T00:00:00Z", EARLIEST),
        ("0001-01-01T00:00:00+14:00", EARLIEST),
        ("+010000-01-01", LATEST),
        ("9999-12-31T23:59:59.999-01:00", LATEST),
        (8_640_000_000_000_000, LATEST),
        (-8_640_000_000_000_000, EARLIEST),
    ],
)
def test_an_instant_is_read_as_javascript_reads_it(value: object, expected: datetime) -> None:
    assert parse_js_date(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "not a date",
        "tomorrow",
        "2031-13-01",
        "2031-03-32",
        "2031-03-01T25:00:00Z",
        "2031-03-01T10:61",
        "2031-03-01T24:00:01Z",
        "2031-2-30",
        "2031-3-1T10:20",
        "2031-3-1 13:00 PM",
        "2031-3/1",
        "3-1-2031",
        "1-3-31",
        "1 March 31",
        "1 Marching 2031",
        "1 March 2031-0730",
        "1930089600000",
        "-000000-01-01",
        "+275761-01-01",
        "2031-03-01T10:20:30+99:99",
        8_640_000_000_000_001,
        float("nan"),
        float("inf"),
        True,
        [],
        {},
    ],
)
def test_what_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_js_date(value)


@given(st.datetimes(timezones=st.just(UTC)))
def test_iso_text_and_milliseconds_mean_the_same(instant: datetime) -> None:
    whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    assert parse_js_date(instant.isoformat()) == whole
    assert parse_js_date((whole - EPOCH) // timedelta(milliseconds=1)) == whole
    assert parse_js_date(whole) == whole


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_js_date(text).tzinfo is UTC
