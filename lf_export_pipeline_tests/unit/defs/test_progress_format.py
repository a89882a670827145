"""How far an export is, in words."""

import pytest

from lf_export_pipeline.core.query.export_query import Chunk
from lf_export_pipeline.defs.progress_format import (
    duration,
    format_progress,
    parse_progress,
    per_second,
)


def chunk(index: int, rows: int, total: int, *, count: int = 30) -> Chunk:
    return Chunk(
        folder="export-1/attempt",
        index=index,
        chunk_count=count,
        rows=rows,
        first_row=index * rows,
        total_rows=total,
    )


@pytest.mark.parametrize(
    ("written", "seconds", "line"),
    [
        (
            chunk(11, 50_000, 1_500_000),
            2.2778,
            "12 of 30 chunks, 600,000 of 1,500,000 rows, 41 s left",
        ),
        (
            chunk(0, 1_000, 1_500_000, count=1_500),
            10.0,
            "1 of 1,500 chunks, 1,000 of 1,500,000 rows, 4:09:50 left",
        ),
        (chunk(29, 50_000, 1_500_000), 2.0, "30 of 30 chunks, 1,500,000 of 1,500,000 rows"),
        (chunk(0, 0, 10), 2.0, "1 of 30 chunks, 0 of 10 rows"),
    ],
    ids=["in the middle", "for hours", "at the end", "a chunk without rows"],
)
def test_line_says_what_is_done_and_how_long_the_rest_takes(
    written: Chunk, seconds: float, line: str
) -> None:
    assert format_progress(written, seconds) == line
    assert parse_progress(line) == (written.index + 1, written.first_row + written.rows)


def test_another_line_tells_no_progress() -> None:
    assert parse_progress("600,000 rows in 12 chunks") is None


def test_durations_are_read_at_a_glance() -> None:
    assert [duration(one) for one in (0.4, 41, 119, 120, 3_723)] == [
        *("0 s", "41 s", "119 s", "0:02:00", "1:02:03"),
    ]


def test_speed_of_something_immeasurably_short_is_a_number() -> None:
    assert per_second(1_000, 0.0) == 1_000_000
