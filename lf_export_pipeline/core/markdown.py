"""Small tables for Dagster's UI."""

import re
from collections.abc import Iterable, Sequence

CELL_MAX_CHARACTERS = 60
SPECIAL = re.compile(r"[\\|`[\]]")


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, long cells cut."""
    lines = [_line(headings), _line(["---"] * len(headings))]
    return "\n".join([*lines, *(_line([markdown_cell(cell) for cell in row]) for row in rows)])


def markdown_cell(value: object) -> str:
    """One line without what Markdown would take for the table's markup, HTML, links or pictures.

    The cell is shown to operators and was written by anybody: a picture would be fetched.
    """
    if not isinstance(value, str):
        return ""
    text = " ".join(value[: CELL_MAX_CHARACTERS * 4].split())
    cut = text if len(text) <= CELL_MAX_CHARACTERS else f"{text[:CELL_MAX_CHARACTERS]}…"
    return SPECIAL.sub(r"\\\g<0>", cut.replace("&", "&amp;").replace("<", "&lt;"))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
