"""Which table a file is of, by its header."""

from collections.abc import Sequence

from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.tables import TableSource, table_names, table_source

_SHARE_MIN = 0.6


def columns_of_file(names: Sequence[str], table: str | None = None) -> Sequence[OutputColumn]:
    """The base columns of the table that a file is of; its others are those of scores.

    An export may have left columns out. Where several tables have the rest, a column that is text
    in one of them counts as text.

    Args:
        names: The header, in the order of the file.
        table: The table, if it is known.

    Raises:
        ValueError: No table has such columns, or there is no such table.
    """
    known = table_names()
    if table is not None and table not in known:
        raise ValueError(f"There is no table {table!r}; expected one of {', '.join(known)}.")
    if not names:
        return ()
    if table is not None:
        return table_source(table).columns
    sources = [table_source(name) for name in known]
    found = [(_columns_in(names, source), source.columns) for source in sources]
    most = max(count for count, _ in found)
    if not most:
        return _closest(names, [columns for _, columns in found])
    return _common([columns for count, columns in found if count == most])


def _columns_in(names: Sequence[str], source: TableSource) -> int:
    """How many columns of a table a file begins with, in its order; 0 if it cannot be of it."""
    places = {column.name: at for at, column in enumerate(source.columns)}
    found = [places[name] for name in names if name in places]
    is_of_table = (
        found == sorted(found)
        and all(name in places for name in names[: len(found)])
        and (source.has_score_columns or len(found) == len(names))
    )
    return len(found) if is_of_table else 0


def _common(layouts: Sequence[Sequence[OutputColumn]]) -> Sequence[OutputColumn]:
    columns: dict[str, OutputColumn] = {}
    for column in (column for layout in layouts for column in layout):
        if column.name not in columns or column.kind is Kind.TEXT:
            columns[column.name] = column
    return tuple(columns.values())


def _closest(
    names: Sequence[str], layouts: Sequence[Sequence[OutputColumn]]
) -> Sequence[OutputColumn]:
    """The table whose columns are there, in an order that is not ours or among others.

    Langfuse's own worker leaves columns out of JSON that are empty in every row, and lets scores
    replace columns.
    """
    present = set(names)
    shares = [(sum(c.name in present for c in one) / len(one), one) for one in layouts]
    # Of a table with few columns, larger ones may have all as well.
    share, layout = max(shares, key=lambda each: (each[0], len(each[1])))
    if share < _SHARE_MIN:
        message = "This is not a file of an export: no table has these columns."
        raise ValueError(message)
    return layout
