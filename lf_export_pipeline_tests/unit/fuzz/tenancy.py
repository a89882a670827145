"""Which tables a statement reads, and whether each of them is bound to the project.

A statement is taken apart into its SELECTs. In each of them every table has to be compared with the
project, or with a table that is, where no OR can undo it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lf_export_pipeline.core.query.statement import Statement

SHARED = {"users", "pricing_tiers", "prices"}
"""Users belong to no project; prices are joined by the id of a model that does."""

_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_READ = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]\w*)(?![\w.])(?:\s+(?:AS\s+)?([a-z]\w*))?")
_MODELS_OF_ALL = " OR m.project_id IS NULL"  # a model without a project is everyone's


@dataclass(frozen=True, slots=True)
class TableRead:
    """A table in a statement, and the SELECT it is read in, without what is in parentheses."""

    table: str
    alias: str
    select: str


def without_literals(sql: str) -> str:
    """The SQL with nothing in its quotes."""
    return _LITERAL.sub("''", sql)


def tables_read(sql: str) -> Iterator[TableRead]:
    """Each mention of a table after FROM or JOIN."""
    for select in _selects(sql.replace(_MODELS_OF_ALL, "")):
        for table, alias in _READ.findall(select):
            yield TableRead(table, alias, select)


def unbound_tables(statement: Statement, project: str) -> list[str]:
    """The tables that other projects' rows could come from."""
    names = [name for name, value in statement.params.items() if value == project]
    return [
        read.table
        for read in tables_read(statement.sql)
        if read.table not in SHARED and not _is_bound(read, names)
    ]


def _is_bound(read: TableRead, names: list[str]) -> bool:
    where = read.select.partition("WHERE")[2]
    column = f"{read.alias}.project_id" if read.alias else "project_id"
    values = [rf"\{{{name}:String\}}|:{name}\b" for name in names]
    compared = rf"(?<![.\w]){re.escape(column)} = (?:{'|'.join([*values, r't.project_id'])})"
    return " OR " not in where and re.search(compared, read.select) is not None


def _selects(sql: str) -> Iterator[str]:
    open_texts: list[list[str]] = [[]]
    for piece in re.split(r"([()])", without_literals(sql)):
        if piece == "(":
            open_texts.append([])
        elif piece == ")":
            yield from re.split(r"\bUNION ALL\b", "".join(open_texts.pop()))
            open_texts[-1].append("()")
        else:
            open_texts[-1].append(piece)
    (whole,) = open_texts
    yield from re.split(r"\bUNION ALL\b", "".join(whole))
