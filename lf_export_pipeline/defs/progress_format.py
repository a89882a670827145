"""How far an export is, in one line."""

import re
from datetime import timedelta

from lf_export_pipeline.core.query.export_query import Chunk

MEGABYTE = 1_000_000
_LINE = re.compile(r"([\d,]+) of [\d,]+ chunks, ([\d,]+) of [\d,]+ rows")


def format_progress(chunk: Chunk, seconds: float) -> str:
    """``12 of 30 chunks, 600,000 of 1,500,000 rows, 41 s left``.

    Args:
        chunk: The one that has just been written; chunks are written in the order of the file.
        seconds: How long that took; the rows that are left are taken to be as fast.
    """
    rows = chunk.first_row + chunk.rows
    left = chunk.total_rows - rows
    chunks = f"{chunk.index + 1:,} of {chunk.chunk_count:,} chunks"
    line = f"{chunks}, {rows:,} of {chunk.total_rows:,} rows"
    if not left or not chunk.rows:
        return line
    return f"{line}, {duration(left * seconds / chunk.rows)} left"


def parse_progress(line: str) -> tuple[int, int] | None:
    """How many chunks and rows of the file come before or with the one that a line is about.

    None: it is another line.
    """
    found = _LINE.match(line)
    return (_number(found[1]), _number(found[2])) if found else None


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def duration(seconds: float) -> str:
    """``41 s``, or ``1:02:03`` from two minutes on."""
    return f"{seconds:,.0f} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))


def per_second(amount: float, seconds: float) -> float:
    """A speed; the clock's resolution is the shortest time."""
    return amount / max(seconds, 0.001)
