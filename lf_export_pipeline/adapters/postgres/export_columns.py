"""What is fetched of a row of ``batch_exports``: never more than a reader needs, or can bear.

The web app bounds none of these texts, and the query may have megabytes. So the texts are cut and
the query is weighed in the database.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from lf_export_pipeline.core.request.admission import OversizedQuery
from lf_export_pipeline.core.request.model import ExportRow, StoredExport

TEXT_MAX_CHARACTERS = {
    "project_id": 1_000,
    "user_id": 1_000,
    "name": 1_000,
    "status": 100,
    "format": 100,
    "log": 10_000,
    "url": 10_000,
}
_TABLE_MAX_CHARACTERS = 100
_BINARY_FACTOR = 4  # how much longer JSONB is at most than the JSON it was made from


def without_query(exports: sa.Table, query_max_bytes: int) -> list[sa.ColumnElement[Any]]:
    """The columns of an ``ExportRow``.

    Of a query that is too large to be exported the database does not look at the table either:
    for that it would have to read all of it.
    """
    columns = [column for column in exports.columns if column.name != "query"]
    table = sa.case((_is_small(exports, query_max_bytes), table_word(exports)))
    cut = sa.func.left(table, _TABLE_MAX_CHARACTERS).label("table")
    return [*map(_cut, columns), cut]


def with_query(exports: sa.Table, query_max_bytes: int) -> list[sa.ColumnElement[Any]]:
    """The columns of a ``StoredExport``, and ``query_bytes``; a query that is too large is NULL."""
    query = exports.c.query
    small = _is_small(exports, query_max_bytes)
    measured = sa.func.octet_length(sa.cast(query, sa.Text))
    size = sa.case((small, measured), else_=sa.func.pg_column_size(query))
    fitting = sa.case((sa.and_(small, measured <= query_max_bytes), query))
    return [
        *without_query(exports, query_max_bytes),
        size.label("query_bytes"),
        sa.type_coerce(fitting, query.type).label("query"),
    ]


def table_word(exports: sa.Table) -> sa.ColumnElement[Any]:
    """The word in ``tableName``."""
    word: sa.ColumnElement[Any] = exports.c.query["tableName"].astext
    return word


def export_row(row: sa.RowMapping) -> ExportRow:
    """What ``without_query`` has fetched."""
    return ExportRow(**_values(row))


def stored_export(row: sa.RowMapping, query_max_bytes: int) -> StoredExport:
    """What ``with_query`` has fetched."""
    values = _values(row)
    size = values.pop("query_bytes")
    if values["query"] is None and size is not None and size > query_max_bytes:
        values["query"] = OversizedQuery(size, query_max_bytes)
    return StoredExport(**values)


def _is_small(exports: sa.Table, query_max_bytes: int) -> sa.ColumnElement[bool]:
    """Whether it may fit, by its compressed size, which costs nothing to find out."""
    size: sa.ColumnElement[int] = sa.func.pg_column_size(exports.c.query)
    return size <= _BINARY_FACTOR * query_max_bytes


def _cut(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    most = TEXT_MAX_CHARACTERS.get(column.name)
    return column if most is None else sa.func.left(column, most).label(column.name)


def _values(row: sa.RowMapping) -> dict[str, Any]:
    return {name: _with_zone(value) for name, value in row.items()}


def _with_zone(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
