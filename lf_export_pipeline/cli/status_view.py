"""Exports on a terminal of any width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from lf_export_pipeline.cli.records import one_line
from lf_export_pipeline.cli.status_lines import StatusLine

TABLE_MIN_WIDTH = 170
STYLES = {"COMPLETED": "green", "FAILED": "red", "PROCESSING": "yellow", "CANCELLED": "dim"}
LOG_MAX_CHARACTERS = 300
NAME_MAX_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class StatusView:
    """A table where there is room for one, and else some lines per export; ids are never cut."""

    lines: Sequence[StatusLine]
    now: datetime

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType | Segment]:
        """Rich asks for it with the width that there is."""
        lines = [_plain(line) for line in self.lines]
        has_links = any(line.link for line in lines)
        if not lines:
            yield Text("There are no exports.")
        elif options.max_width >= TABLE_MIN_WIDTH and not has_links:
            yield _table(lines, self.now)
        else:
            for line in lines:
                yield from _block(line, self.now)


def _plain(line: StatusLine) -> StatusLine:
    """Users choose names, and servers the words of errors: for a terminal they are only text."""
    values: dict[str, Any] = {name: getattr(line, name) for name in line.__slots__}
    texts = {name: one_line(value) for name, value in values.items() if isinstance(value, str)}
    return replace(line, **values | texts)


def _table(lines: Sequence[StatusLine], now: datetime) -> Table:
    """Two lines per export."""
    table = Table(
        Column("export", no_wrap=True, overflow="crop"),
        Column("state", no_wrap=True),
        Column("for", overflow="fold"),
        Column("what", overflow="fold"),
        Column("run", no_wrap=True),
        Column("file, or why there is none", ratio=1, overflow="fold"),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        expand=True,
    )
    for line in lines:
        table.add_row(
            Text(f"{line.export}\n  {_short(line.name, NAME_MAX_CHARACTERS)}"),
            Text.assemble(_state(line), f"\n{line.age(now)} ago"),
            Text(f"{line.who}\n{line.project}"),
            Text(f"{line.table} {line.format}\n{line.rows_text}"),
            Text(f"{line.run[:8]}\n{line.run_status}"),
            Text("\n".join(filter(None, _outcome(line, now)))),
        )
    return table


def _block(line: StatusLine, now: datetime) -> Iterator[RenderableType | Segment]:
    """A line that begins with the id, and what else there is below it."""
    yield Text.assemble(line.export, "  ", _state(line), f"  {line.age(now)} ago")
    run = f"run {line.run[:8]} {line.run_status}" if line.run else ""
    rows = f"{line.rows_text} rows" if line.rows_text else ""
    below = (
        line.name,
        f"{line.table} {line.format} of {line.project}, for {line.who or 'nobody'}",
        ", ".join(filter(None, (rows, run))),
        *_outcome(line, now),
    )
    for text in filter(None, below):
        yield Padding(Text(text, overflow="fold"), (0, 0, 0, 2), expand=False)
    if line.link:
        yield Segment(f"{line.link}\n")  # whole, so that it can be copied


def _state(line: StatusLine) -> tuple[str, str]:
    return line.status, STYLES.get(line.status, "")


def _outcome(line: StatusLine, now: datetime) -> Iterator[str]:
    yield line.file
    yield line.link_text(now)
    yield _short(line.log, LOG_MAX_CHARACTERS)
    yield line.cause
    yield f"e-mail {line.email}" if line.email else ""


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
