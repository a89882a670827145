"""Filters to ClickHouse conditions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query import conditions
from lf_export_pipeline.core.query.filter_columns import (
    FilterColumn,
    FilterTable,
    NumberKind,
    ValueType,
)
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.request import filters
from lf_export_pipeline.core.request.filters import ColumnFilter, Filter
from lf_export_pipeline.core.request.validation_messages import quote_value

__all__ = [
    "Condition",
    "FilterColumn",
    "FilterTable",
    "NumberKind",
    "ValueType",
    "compile_filter",
    "compile_filters",
]

_COMPATIBLE = {
    "string": ("string", "stringOptions"),
    "stringOptions": ("string", "stringOptions"),
    "arrayOptions": ("arrayOptions", "stringOptions"),
    "categoryOptions": ("categoryOptions", "stringOptions"),
}
"""Filter types that a UI type accepts besides its own (Langfuse: ``COMPATIBLE_FILTER_TYPES``)."""

_ARRAY_FILTERS = ("arrayOptions", "stringOptions", "categoryOptions", "booleanObject")
_APPLICABLE = {
    ValueType.STRING: ("string", "stringOptions"),
    ValueType.NUMBER: ("number", "boolean"),
    ValueType.DATETIME: ("datetime",),
    ValueType.BOOLEAN: ("boolean", "number"),
    ValueType.STRING_ARRAY: _ARRAY_FILTERS,
    ValueType.STRING_MAP: ("stringObject",),
    ValueType.NAMED_ARRAYS: ("stringObject",),
    ValueType.SCORE_NUMBERS: ("numberObject",),
    ValueType.SCORE_CATEGORIES: _ARRAY_FILTERS,
    ValueType.SCORE_BOOLEANS: _ARRAY_FILTERS,
}
"""Filter types that ClickHouse can apply to a value; it fails or guesses with the others."""

_SCORE_COLUMNS = {
    "numberObject": "scores_avg",
    "categoryOptions": "score_categories",
    "booleanObject": "score_booleans",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter as SQL, and the relation that must be joined for it (None: the row suffices)."""

    sql: str
    relation: str | None


def compile_filters(
    wanted: Iterable[Filter], table: FilterTable, params: Params
) -> tuple[Condition, ...]:
    """The conditions of all filters, to be joined with AND, in the order of the filters.

    Raises:
        InvalidFilterError: One of them cannot be applied to this table.
    """
    return tuple(compile_filter(each, table, params) for each in wanted)


def compile_filter(wanted: Filter, table: FilterTable, params: Params) -> Condition:
    """The condition of one filter; everything the user typed is bound in ``params``.

    Raises:
        InvalidFilterError: The column is not known, or the filter does not fit it. A filter is
            never left out: the user would get rows they asked not to get.
    """
    if isinstance(wanted, filters.PositionInTraceFilter):
        raise InvalidFilterError(
            f"The filter on the position in the trace ({wanted.key}) cannot be applied to an "
            f"export of {table.name}. Please remove it."
        )
    column = table.column(_column_name(wanted, table))
    if not isinstance(wanted, filters.NullFilter):
        _check_type(wanted, column)
    return Condition(_sql(wanted, column, params), column.relation)


def _sql(  # noqa: C901, PLR0911 - a line for each kind
    wanted: ColumnFilter, column: FilterColumn, params: Params
) -> str:
    match wanted:
        case filters.NullFilter():
            return conditions.null_condition(wanted, column)
        case filters.StringFilter():
            return conditions.string_condition(wanted, column, params)
        case filters.StringOptionsFilter():
            return conditions.options_condition(wanted, column, params)
        case filters.ArrayOptionsFilter():
            return conditions.array_condition(wanted, column, params)
        case filters.NumberFilter():
            return conditions.number_condition(wanted, column, params)
        case filters.DatetimeFilter():
            return conditions.datetime_condition(wanted, column, params)
        case filters.BooleanFilter():
            return conditions.boolean_condition(wanted, column, params)
        case filters.StringObjectFilter():
            return conditions.string_object_condition(wanted, column, params)
        case filters.NumberObjectFilter():
            return conditions.number_object_condition(wanted, column, params)
        case filters.CategoryOptionsFilter():
            return conditions.category_condition(wanted, column, params)
        case filters.BooleanObjectFilter():
            return conditions.boolean_object_condition(wanted, column, params)
        case _:
            assert_never(wanted)


def _column_name(wanted: Filter, table: FilterTable) -> str:
    """The name to look up: the old column ``scores`` stands for three, told apart by the filter."""
    if wanted.column.lower() != "scores" or _SCORE_COLUMNS["numberObject"] not in table:
        return wanted.column
    name = _SCORE_COLUMNS.get(wanted.type)
    if name is None:
        raise InvalidFilterError(
            f"Invalid filter type '{wanted.type}' for legacy score column '{wanted.column}'. "
            "Expected one of 'categoryOptions', 'numberObject', or 'booleanObject'."
        )
    return name


def _check_type(wanted: Filter, column: FilterColumn) -> None:
    expected = column.expected_type
    if column.checked_as is not None and wanted.type not in _COMPATIBLE.get(expected, (expected,)):
        raise InvalidFilterError(
            f"Invalid filter type '{wanted.type}' for column '{wanted.column}'. "
            f"Expected filter type '{expected}'."
        )
    if wanted.type not in _APPLICABLE[column.value_type]:
        accepted = " or ".join(_APPLICABLE[column.value_type])
        raise InvalidFilterError(
            f"Invalid filter type '{wanted.type}' for column {quote_value(wanted.column)}: "
            f"it takes a {accepted} filter."
        )
