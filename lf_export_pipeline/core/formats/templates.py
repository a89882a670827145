"""Which formats ClickHouse can write the rows of, and how."""

from typing import assert_never

from lf_export_pipeline.core.formats.csv_template import CsvTemplate
from lf_export_pipeline.core.formats.json_template import JsonTemplate
from lf_export_pipeline.core.formats.template import Punctuation
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.request.model import ExportFormat


def punctuation_of(export_format: ExportFormat, layout: Layout) -> Punctuation:
    """What a row of the format is written with.

    Raises:
        ValueError: It is none of text.
    """
    match export_format:
        case ExportFormat.CSV:
            return CsvTemplate(layout)
        case ExportFormat.JSON:
            return JsonTemplate(layout, end="", between=",")
        case ExportFormat.JSONL:
            return JsonTemplate(layout, end="\n", between="")
        case ExportFormat.PARQUET:
            raise ValueError(export_format)  # a column stands in one piece there, no row does
        case _:
            assert_never(export_format)
