"""Small tables for Dagster's UI."""

from collections.abc import Iterable, Sequence

CELL_MAX_CHARACTERS = 60


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, long cells cut."""
    lines = [_line(headings), _line(["---"] * len(headings))]
    return "\n".join([*lines, *(_line([markdown_cell(cell) for cell in row]) for row in rows)])


def markdown_cell(value: object) -> str:
    """One line without what Markdown would take for markup of the table or for HTML."""
    if not isinstance(value, str):
        return ""
    text = " ".join(value[: CELL_MAX_CHARACTERS * 4].split())
    cut = text if len(text) <= CELL_MAX_CHARACTERS else f"{text[:CELL_MAX_CHARACTERS]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
