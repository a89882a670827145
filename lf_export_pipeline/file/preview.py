"""The first rows of a file as a small table for the run's metadata."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.core.query.columns import OutputColumn

if TYPE_CHECKING:
    import pyarrow as pa

PREVIEW = "preview"
PREVIEW_ROWS = 10


class Preview(BaseModel):
    """A Markdown table."""

    markdown: str


def preview_of(rows: "pa.RecordBatch", columns: Sequence[OutputColumn]) -> Preview:
    """The first rows, long cells cut: what an operator recognises a file by."""
    names = [column.name for column in columns]
    first = rows.slice(0, PREVIEW_ROWS).select(names).to_pylist()
    return Preview(markdown=markdown_table(names, (row.values() for row in first)))
