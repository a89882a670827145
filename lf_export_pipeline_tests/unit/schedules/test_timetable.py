"""Which windows are due: they tile time, whatever the expression, the zone and what was missed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.windowed_query import Window
from lf_export_pipeline.schedules.timetable import (
    Missed,
    Timetable,
    WindowKind,
    due_after,
    first_begin,
    next_window,
    require_tiling,
    window_kind,
    window_title,
)
from lf_export_pipeline_tests.effort import examples

NOON = datetime(2031, 3, 19, 12, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NO_LAG = timedelta()
FITTING = [
    *((cron, WindowKind.SINCE_LAST) for cron in ("* * * * *", "*/7 3 * * 1-5", "@monthly")),
    *((cron, WindowKind.PREVIOUS_HOUR) for cron in ("@hourly", "59 * * * *")),
    *((cron, WindowKind.PREVIOUS_DAY) for cron in ("@daily", "0 6 * * *", "30 2 * * *")),
    *((cron, WindowKind.PREVIOUS_WEEK) for cron in ("0 6 * * MON", "0 0 * * 0")),
    *((cron, WindowKind.PREVIOUS_MONTH) for cron in ("@monthly", "0 4 3 * *")),
]
ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe"]


def table(cron: str = "0 6 * * *", window: str = "previous-day", zone: str = "UTC", lag: timedelta =
          NO_LAG, missed: Missed = Missed.CATCH_UP) -> Timetable:  # fmt: skip
    return Timetable(cron, zone, WindowKind(window), lag, missed)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "window", "zone", "now", "expected"),
    [
        ("0 6 * * *", "previous-day", "UTC", "2031-03-19T06:00", ("2031-03-18", "2031-03-19")),
        ("0 6 * * *", "previous-day", "Europe/Berlin", "2031-03-19T05:00",
         ("2031-03-17T23:00", "2031-03-18T23:00")),
        # Clocks go forward on 2031-03-30 and back on 2031-10-26: days of 23 and of 25 hours.
        ("0 6 * * *", "previous-day", "Europe/Berlin", "2031-03-31T04:00",
         ("2031-03-29T23:00", "2031-03-30T22:00")),
        ("0 6 * * *", "previous-day", "Europe/Berlin", "2031-10-27T05:00",
         ("2031-10-25T22:00", "2031-10-26T23:00")),
        ("30 * * * *", "previous-hour", "UTC", "2031-03-19T06:30",
         ("2031-03-19T05", "2031-03-19T06")),
        ("30 * * * *", "previous-hour", "Asia/Kolkata", "2031-03-19T06:00",
         ("2031-03-19T04:30", "2031-03-19T05:30")),
        ("0 6 * * 1", "previous-week", "UTC", "2031-03-17T06:00", ("2031-03-10", "2031-03-17")),
        ("0 6 1 * *", "previous-month", "UTC", "2031-03-01T06:00", ("2031-02-01", "2031-03-01")),
        ("*/10 * * * *", "since-last", "UTC", "2031-03-19T06:10",
         ("2031-03-19T06:00", "2031-03-19T06:10")),
    ],
)  # fmt: skip
def test_the_window_of_a_tick(
    cron: str, window: str, zone: str, now: str, expected: tuple[str, str]
) -> None:
    timetable, tick = table(cron, window, zone), at(now)
    first = first_begin(timetable, tick - timedelta(minutes=1))

    assert next_window(timetable, first, tick) == Window(*map(at, expected))
    assert next_window(timetable, first, tick - timedelta(seconds=1)) is None
    assert due_after(timetable, first) == tick


def test_a_window_waits_for_late_rows() -> None:
    timetable = table(lag=timedelta(minutes=20))
    begin = first_begin(timetable, at("2031-03-19T05:00"))

    assert next_window(timetable, begin, at("2031-03-19T06:19")) is None
    window = next_window(timetable, begin, at("2031-03-19T06:20"))

    assert window == Window(at("2031-03-18"), at("2031-03-19"))
    assert due_after(timetable, begin) == at("2031-03-19T06:20")


def windows(timetable: Timetable, begin: datetime, now: datetime) -> Iterator[Window]:
    """All that are due."""
    while window := next_window(timetable, begin, now):
        yield window
        begin = window.end


def test_missed_windows_are_made_one_by_one_the_oldest_first() -> None:
    begin = at("2031-03-10")

    found = list(windows(table(), begin, at("2031-03-13T07:00")))

    assert [window.begin for window in found] == [begin, begin + DAY, begin + 2 * DAY]


def test_of_missed_windows_that_are_skipped_the_newest_is_made() -> None:
    found = list(windows(table(missed=Missed.SKIP), at("2031-03-10"), at("2031-03-13T07:00")))

    assert found == [Window(at("2031-03-12"), at("2031-03-13"))]


def test_from_tick_to_tick_nothing_is_left_out_when_ticks_are_skipped() -> None:
    timetable = table("@hourly", "since-last", missed=Missed.SKIP)

    found = list(windows(timetable, at("2031-03-10"), at("2031-03-13T07:30")))

    assert found == [Window(at("2031-03-10"), at("2031-03-13T07:00"))]


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2032, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
GAPS = st.lists(
    st.sampled_from([timedelta(seconds=30), timedelta(minutes=7), HOUR, DAY, 9 * DAY]), min_size=1
)


@settings(max_examples=examples(200), deadline=None)
@given(
    timetable=st.builds(
        lambda fitting, zone, lag, missed: Timetable(fitting[0], zone, fitting[1], lag, missed),
        st.sampled_from(FITTING),
        st.sampled_from(ZONES),
        st.sampled_from([NO_LAG, timedelta(minutes=20), timedelta(hours=30)]),
        st.sampled_from(Missed),
    ),
    made_at=INSTANTS,
    gaps=GAPS,
)
def test_windows_tile_time(timetable: Timetable, made_at: datetime, gaps: list[timedelta]) -> None:
    """Whenever somebody looks: half-open, no overlap, and no gap but what is to be skipped."""
    begin, now = first_begin(timetable, made_at), made_at
    found: list[Window] = []
    for gap in gaps:
        now += gap
        for window in windows(timetable, found[-1].end if found else begin, now):
            assert window.begin < window.end <= now - timetable.lag
            found.append(window)
            if len(found) > 200:
                return
    may_skip = timetable.missed is Missed.SKIP and timetable.window is not WindowKind.SINCE_LAST
    if found and not may_skip:
        assert found[0].begin == begin
        assert all(one.end == other.begin for one, other in pairwise(found))
    assert all(one.end <= other.begin for one, other in pairwise(found))


@pytest.mark.parametrize("zone", ZONES[:-1])  # in the last one clocks change by half an hour
@pytest.mark.parametrize(("cron", "window"), FITTING)
def test_expressions_that_fit_are_taken(cron: str, window: WindowKind, zone: str) -> None:
    require_tiling(table(cron, window, zone), NOON)


@pytest.mark.parametrize(
    ("cron", "window", "said"),
    [
        ("*/10 * * * *", "previous-hour", "overlap"),
        ("@hourly", "previous-day", "overlap"),
        ("0 6 * * 1-5", "previous-day", "leave a gap"),
        ("@weekly", "previous-day", "leave a gap"),
        ("0 6 1 */2 *", "previous-month", "leave a gap"),
        ("0 6 31 * *", "previous-month", "leave a gap"),
        ("0 6 1 1 *", "previous-month", "leave a gap"),
        ("0 6 29 2 *", "previous-week", "leave a gap"),
        ("0 1-23 * * *", "previous-hour", "leave a gap"),
    ],
)
def test_windows_that_would_not_tile_are_refused_with_what_fits(
    cron: str, window: str, said: str
) -> None:
    with pytest.raises(PermanentError) as refusal:
        require_tiling(table(cron, window), NOON)

    assert said in str(refusal.value)
    assert "since-last" in str(refusal.value)


@pytest.mark.parametrize(
    "cron",
    ["", "x", "* * * * * *", "61 * * * *", "@reboot", "0 0 30 2 *", "0 0 31 4 *", "\0", "9" * 500],
)
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(PermanentError, match="is not a cron expression"):
        require_tiling(table(cron, "since-last"), NOON)


@pytest.mark.parametrize("zone", ["", "Europe/Nowhere", "../etc", "/etc/passwd", "\0", "x" * 999])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(PermanentError, match="There is no time zone"):
        require_tiling(table(zone=zone), NOON)


@pytest.mark.parametrize("lag", [-HOUR, timedelta(days=8), timedelta.max])
def test_a_lag_that_is_none_is_refused(lag: timedelta) -> None:
    with pytest.raises(PermanentError, match="The lag is not between"):
        require_tiling(table(lag=lag), NOON)


@pytest.mark.parametrize(
    "words", ["previous-day", "previous day", "Previous  Day", "since the last one", "since-last"]
)
def test_windows_go_by_the_words_that_people_use(words: str) -> None:
    assert window_kind(words) in {WindowKind.PREVIOUS_DAY, WindowKind.SINCE_LAST}


def test_other_words_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(PermanentError, match=r"'yesterday' is not known.*previous-month"):
        window_kind("yesterday")


@pytest.mark.parametrize(
    ("begin", "end", "zone", "title"),
    [
        ("2031-03-18", "2031-03-19", "UTC", "2031-03-18"),
        ("2031-03-29T23:00", "2031-03-30T22:00", "Europe/Berlin", "2031-03-30"),
        ("2031-02-01", "2031-03-01", "UTC", "2031-02"),
        ("2031-03-10", "2031-03-17", "UTC", "2031-03-10 00:00 to 2031-03-17 00:00 UTC"),
        ("2031-03-18T05", "2031-03-18T06", "UTC", "2031-03-18 05:00 to 06:00 UTC"),
        ("2031-03-18T05", "2031-03-18T06", "Europe/Berlin", "2031-03-18 06:00 to 07:00 CET"),
        ("2031-10-26T00", "2031-10-26T01", "Europe/Berlin", "2031-10-26 02:00 CEST to 02:00 CET"),
        ("2031-10-26T01", "2031-10-26T02", "Europe/Berlin", "2031-10-26 02:00 to 03:00 CET"),
    ],
)
def test_each_file_is_called_after_its_window(begin: str, end: str, zone: str, title: str) -> None:
    assert window_title(Window(at(begin), at(end)), zone) == title
