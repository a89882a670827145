"""What commands print: for people on a terminal, and for other programs."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text


def print_records(
    records: Sequence[dict[str, Any]], view: RenderableType, *, as_json: bool
) -> None:
    """A JSON list; or else the view on a terminal, and in a pipe lines with tabs."""
    if as_json:
        click.echo(json.dumps(records, indent=2))
    elif sys.stdout.isatty():
        Console(highlight=False).print(view, crop=False)
    else:
        click.echo("".join(f"{line}\n" for line in as_tabs(records)), nl=False)


def as_tabs(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A heading and one line per record, with tabs between the values, for other programs."""
    for at, record in enumerate(records):
        if not at:
            yield "\t".join(record)
        yield "\t".join(one_line(value) for value in record.values())


def blocks(records: Iterable[dict[str, str]], head: Sequence[str]) -> Iterator[RenderableType]:
    """Some lines per record: the values that it is known by, and below them the others by name."""
    for record in records:
        yield Text("  ".join(one_line(record[name]) for name in head), overflow="fold")
        rest = {name: one_line(value) for name, value in record.items() if name not in head}
        named = [f"{name.replace('_', ' ')}: {text}" for name, text in rest.items() if text]
        yield Padding(Text(", ".join(named), overflow="fold"), (0, 0, 0, 2), expand=False)


def one_line(value: object) -> str:
    """A value without tabs, ends of lines, and what a terminal would obey instead of showing it."""
    text = "" if value is None else str(value)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
