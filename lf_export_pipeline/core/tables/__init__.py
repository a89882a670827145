"""The exportable tables: a module in this package that calls ``register`` is all it takes."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Protocol

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.query.columns import OutputColumn
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery
from lf_export_pipeline.core.query.statement import Statement, StoredTable
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn


class TableSource(Protocol):
    """How one table is exported: pure functions from a request to statements and columns."""

    @property
    def name(self) -> str:
        """The word in ``query.tableName``."""
        ...

    @property
    def reads(self) -> tuple[StoredTable, ...]:
        """Langfuse's tables that go into a file: lineage, rights and what ``doctor`` tries."""
        ...

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """The base columns of a file; those of JSON where CSV has others."""
        ...

    @property
    def has_score_columns(self) -> bool:
        """Whether a file may have a column for each name of a score, after the base columns."""
        ...

    @property
    def window_column(self) -> WindowColumn | None:
        """The time by which standing exports cut the rows into windows; None: they have none."""
        ...

    def preflight_queries(
        self, request: ExportRequest, limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """Statements whose rows ``compile`` needs, such as score names or commented ids."""
        ...

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """The whole reading as data.

        Raises:
            InvalidFilterError: A filter, search or order cannot be applied; the sentence says why.
        """
        ...


class NoPreflight:
    """For tables that need to know nothing before they compile a request, as scores' names are."""

    __slots__ = ()

    has_score_columns = False

    def preflight_queries(
        self,
        request: ExportRequest,  # noqa: ARG002 - the protocol of all tables
        limits: ExportLimits,  # noqa: ARG002
    ) -> Mapping[str, Statement]:
        """No statements."""
        return {}


_TABLES: dict[str, TableSource] = {}


@cache
def _load_all() -> None:
    """Import every module of this package, once, and not before a table is asked for."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def register(table: TableSource) -> None:
    """Make a table exportable under its name; a later one of the same name replaces it."""
    _TABLES[table.name] = table


def table_names() -> tuple[str, ...]:
    """The names of all exportable tables, sorted."""
    _load_all()
    return tuple(sorted(_TABLES))


def column_names() -> frozenset[str]:
    """The names of the base columns of all tables."""
    tables = map(table_source, table_names())
    return frozenset(column.name for table in tables for column in table.columns)


def stored_tables() -> tuple[StoredTable, ...]:
    """All of Langfuse's tables that some export reads, sorted."""
    return tuple(sorted({table for name in table_names() for table in table_source(name).reads}))


def table_source(name: str) -> TableSource:
    """The table of that name.

    Raises:
        InvalidQueryError: There is none.
    """
    _load_all()
    try:
        return _TABLES[name]
    except KeyError:
        known = ", ".join(table_names())
        message = f"The table '{name}' cannot be exported. Tables that can be: {known}."
        raise InvalidQueryError(message) from None
