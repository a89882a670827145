"""The first rows of a file as a small table for the run's metadata."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from lf_export_pipeline.core.columns import OutputColumn

PREVIEW = "preview"
PREVIEW_ROWS = 10
CELL_MAX_CHARACTERS = 60


class Preview(BaseModel):
    """A Markdown table."""

    markdown: str


def preview_of(rows: pa.RecordBatch, columns: Sequence[OutputColumn]) -> Preview:
    """The first rows, long cells cut: what an operator recognises a file by."""
    names = [column.name for column in columns]
    frame: pd.DataFrame = rows.slice(0, PREVIEW_ROWS).select(names).to_pandas()
    cells = frame.map(_cell)
    return Preview(markdown="\n".join([_line(names), _line(["---"] * len(names)), *_lines(cells)]))


def _lines(cells: pd.DataFrame) -> list[str]:
    return [_line(list(row)) for row in cells.itertuples(index=False, name=None)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    """One line without what Markdown would take for markup of the table or for HTML."""
    if not isinstance(value, str):
        return ""
    text = " ".join(value[: CELL_MAX_CHARACTERS * 4].split())
    cut = text if len(text) <= CELL_MAX_CHARACTERS else f"{text[:CELL_MAX_CHARACTERS]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
