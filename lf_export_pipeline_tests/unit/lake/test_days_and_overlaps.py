"""Days side by side are asked for at once; of the rows of an id the newest counts."""

import itertools
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.lake.days import spans
from lf_export_pipeline.lake.overlaps import day_overlap

days = st.dates(date(2024, 1, 20), date(2024, 3, 10)).map(lambda day: day.isoformat())


@given(st.sets(days))
def test_spans_hold_the_days_and_no_other(wanted: set[str]) -> None:
    found = spans(wanted)
    assert sorted(day for span in found for day in span) == sorted(wanted)
    assert all(one.end < next_.first for one, next_ in itertools.pairwise(found))


def test_the_newest_row_of_an_id_stays() -> None:
    rows = [("a", "2026-01-01", "k1", 1), ("a", "2026-01-02", "k2", 2)]
    older, newer = (day_overlap(day, rows, 7) for day in ("2026-01-01", "2026-01-02"))
    assert (set(older.left_out), older.noted.neighbours) == ({"k1"}, ("2026-01-02",))
    assert (set(newer.left_out), newer.noted.neighbours) == (set(), ("2026-01-01",))


def test_of_equal_versions_that_of_the_later_day_stays() -> None:
    rows = [("a", "2026-01-01", "k1", 1), ("a", "2026-01-02", "k2", 1)]
    assert day_overlap("2026-01-01", rows, 7).left_out == {"k1"}
    assert day_overlap("2026-01-02", rows, 7).left_out == frozenset()


def test_rows_of_days_too_far_away_do_not_count() -> None:
    rows = [("a", "2026-01-01", "k1", 1), ("a", "2026-01-09", "k2", 2)]
    assert day_overlap("2026-01-01", rows, 7).left_out == frozenset()
    assert day_overlap("2026-01-01", rows, 8).left_out == {"k1"}


@given(st.sets(days, min_size=1))
def test_halves_are_the_days_of_a_span(wanted: set[str]) -> None:
    for span in spans(wanted):
        halves = span.halves
        assert (halves is None) == (len([*span]) == 1)
        if halves:
            assert [day for half in halves for day in half] == [*span]
            assert all([*half] for half in halves)
