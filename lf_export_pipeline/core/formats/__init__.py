"""Columnar serialisers: Arrow record batches in, bytes of an export file out.

A new format is a member of ``ExportFormat`` and one new module here: a class that satisfies
``FormatWriter``, decorated with ``@writes(ExportFormat.…)``. Modules named ``*_format`` are found
by themselves; how ClickHouse writes its rows is asked for by the type checker (``templates.py``).
"""

from importlib import import_module
from pkgutil import iter_modules

from lf_export_pipeline.core.formats.writer import WRITERS, ChunkEncoder, FormatWriter, Layout
from lf_export_pipeline.core.query.columns import ColumnType, OutputColumn
from lf_export_pipeline.core.request.csv_options import AS_LANGFUSE, CsvOptions
from lf_export_pipeline.core.request.model import ExportFormat

__all__ = ["ChunkEncoder", "FormatWriter", "format_writer"]

for _module in iter_modules(__path__):
    if _module.name.endswith("_format"):
        import_module(f"{__name__}.{_module.name}")


def format_writer(
    fmt: ExportFormat,
    columns: tuple[OutputColumn, ...],
    score_columns: tuple[str, ...] = (),
    csv: CsvOptions = AS_LANGFUSE,
    score_types: tuple[ColumnType, ...] = (),
) -> FormatWriter:
    """The writer of one file.

    A batch has a ``string`` or ``large_string`` field per column (further fields are ignored), a
    Boolean ``<name>#json`` per ``MAYBE_JSON`` column and, if there are score columns, the two
    score fields that ``columns.py`` describes.

    Args:
        fmt: What the user chose.
        columns: The base columns in the order of the file.
        score_columns: Headers of the score columns; none of them equals another header.
        csv: Where a CSV file is to differ from what Langfuse writes.
        score_types: Of each score column, for formats that know types.
    """
    return WRITERS[fmt](Layout(columns, score_columns, csv, score_types))
