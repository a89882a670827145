"""Filters to Postgres conditions, for the tables that are not in ClickHouse.

Users' texts appear only as bound values. What cannot be applied to a column is refused with a
sentence: Langfuse passes it on to Postgres, whose error then fails the export.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, assert_never

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.operators import comparison, excludes, is_negative, wants_null
from lf_export_pipeline.core.request.admission import SEARCH_MAX_WILDCARDS
from lf_export_pipeline.core.request.filters import (
    DatetimeFilter,
    Filter,
    NullFilter,
    NumberObjectFilter,
    StringFilter,
    StringObjectFilter,
    StringOptionsFilter,
    TextTest,
)
from lf_export_pipeline.core.request.js_dates import EARLIEST, LATEST
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value

_BLANK = r"[ \t\n\v\f\r]*"
_NUMBER = rf"^{_BLANK}[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{{1,3}})?{_BLANK}$"
"""What Postgres casts to ``numeric``, which takes no other blanks than those of ASCII."""

_NUMBER_CHARACTERS = 10_000
"""Longer ones do not match: with an exponent they might have more digits than ``numeric`` holds."""

_LARGEST, _SMALLEST = Decimal("1e11000"), Decimal("1e-11000")
"""Beyond every number that is read."""


class PostgresType(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INSTANT = "instant"  # timestamp without time zone, in UTC
    JSON = "json"  # jsonb


@dataclass(frozen=True, slots=True)
class PostgresColumn:
    """One column that filters can name."""

    names: tuple[str, ...]  # the id first, then the UI name; exact, case-sensitive
    expression: str
    type: PostgresType = PostgresType.TEXT


@dataclass(slots=True)
class PostgresParams:
    """Binds values for one Postgres statement and gives the placeholder of each."""

    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: str | list[str]) -> str:
        """``:name`` for a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"


class PostgresFilters:
    """The filters that one table takes."""

    def __init__(self, table: str, columns: tuple[PostgresColumn, ...]) -> None:
        self._table = table
        self._columns = {name: column for column in columns for name in column.names}
        self._ids = [column.names[0] for column in columns]

    def names_of(self, expression: str) -> tuple[str, ...]:
        """All names of the columns with this expression; the ids come before the UI's names."""
        return tuple(n for n, each in self._columns.items() if each.expression == expression)

    def compile(self, filters: Iterable[Filter], params: PostgresParams) -> tuple[str, ...]:
        """The conditions of all filters, to be joined with AND.

        Raises:
            InvalidFilterError: One of them names no column, or does not fit its column.
        """
        return tuple(self._condition(each, params) for each in filters)

    def _condition(self, wanted: Filter, params: PostgresParams) -> str:
        column = self._columns.get(wanted.column)
        if column is None:
            raise InvalidFilterError(self._unknown(wanted.column))
        if isinstance(wanted, NullFilter):
            presence = "IS NULL" if wants_null(wanted.operator) else "IS NOT NULL"
            return f"{column.expression} {presence}"
        test = _CONDITIONS[column.type].get(wanted.type)
        if test is None:
            accepted = " or ".join([*_CONDITIONS[column.type], "null"])
            raise InvalidFilterError(
                f"Invalid filter type '{wanted.type}' for column {quote_value(wanted.column)}: "
                f"it takes a {accepted} filter."
            )
        return test(wanted, column.expression, params)

    def _unknown(self, name: str) -> str:
        close = get_close_matches(name[:80], self._columns, n=3)
        hint = (
            f"Did you mean {' or '.join(close)}?"
            if close
            else f"Columns of {self._table}: {join_limited(self._ids)}."
        )
        return f"Invalid filter column: {quote_value(name)}. {hint}"


def text_condition(wanted: StringFilter, expression: str, params: PostgresParams) -> str:
    """The test of a text."""
    return _text_test(expression, wanted.operator, wanted.value, params)


def options_condition(wanted: StringOptionsFilter, expression: str, params: PostgresParams) -> str:
    """Whether the text is in the list; NULL is neither in it nor not in it."""
    options = params.bind([each for each in wanted.value if _can_be_stored(each)])
    array = f"CAST({options} AS text[])"
    if excludes(wanted.operator):
        return f"({expression} <> ALL({array}) AND {expression} IS NOT NULL)"
    return f"{expression} = ANY({array})"


def instant_condition(wanted: DatetimeFilter, expression: str, params: PostgresParams) -> str:
    """The comparison of an instant."""
    return f"{expression} {comparison(wanted.operator)} {bound_instant(wanted.value, params)}"


def member_condition(wanted: StringObjectFilter, expression: str, params: PostgresParams) -> str:
    """The test of the text under a key of a JSON object; the row needs to have it."""
    if not _can_be_stored(wanted.key):
        return "FALSE"
    member = f"({expression} ->> {params.bind(wanted.key)})"
    return _text_test(member, wanted.operator, wanted.value, params)


def number_member_condition(
    wanted: NumberObjectFilter, expression: str, params: PostgresParams
) -> str:
    """The comparison of the number under a key; what is not a number does not match."""
    if not _can_be_stored(wanted.key):
        return "FALSE"
    member = f"({expression} ->> {params.bind(wanted.key)})"
    number = f"CAST({params.bind(_written(wanted.value))} AS numeric)"
    return (
        f"(CASE WHEN length({member}) <= {_NUMBER_CHARACTERS} "
        f"AND {member} ~ {params.bind(_NUMBER)} "
        f"THEN CAST({member} AS numeric) {comparison(wanted.operator)} {number} END)"
    )


def bound_instant(value: Any, params: PostgresParams) -> str:
    """An instant as Langfuse's columns hold it: UTC without a zone.

    One that was cut to the years 1 to 9999 lies beyond all of them; columns may hold others.
    """
    if value in (EARLIEST, LATEST):
        infinite = "-infinity" if value == EARLIEST else "infinity"
        return f"CAST('{infinite}' AS timestamp)"
    return f"CAST({params.bind(value.replace(tzinfo=None).isoformat(sep=' '))} AS timestamp)"


def _written(number: Decimal) -> str:
    """The digits of a number that compares as the number does, but is never very long."""
    if not number:
        return "0"
    if abs(number) < _SMALLEST:
        return f"{_SMALLEST.copy_sign(number):f}"
    return f"{min(max(number, -_LARGEST), _LARGEST):f}"


def _text_test(expression: str, operator: TextTest, value: str, params: PostgresParams) -> str:
    r"""``=`` is exact; the others ignore case, and ``%``, ``_`` and ``\`` are live (ILIKE)."""
    if not _can_be_stored(value):
        return f"{expression} IS NOT NULL" if is_negative(operator) else "FALSE"
    if operator != "=":
        _require_few_wildcards(value)
    match operator:
        case "=":
            return f"{expression} = {params.bind(value)}"
        case "contains":
            return f"{expression} ILIKE {params.bind(f'%{value}%')}"
        case "does not contain":
            return f"{expression} NOT ILIKE {params.bind(f'%{value}%')}"
        case "starts with":
            return f"{expression} ILIKE {params.bind(f'{value}%')}"
        case "ends with":
            return f"{expression} ILIKE {params.bind(f'%{_closed(value)}')}"
        case _:
            assert_never(operator)


def _require_few_wildcards(pattern: str) -> None:
    """As of searches: Postgres goes one level deeper for each."""
    count = pattern.count("%")
    if count > SEARCH_MAX_WILDCARDS:
        raise InvalidFilterError(
            f"The value of a filter has {count:,} percent signs, each of which stands for any text "
            f"(limit: {SEARCH_MAX_WILDCARDS}). Please use fewer of them."
        )


def _closed(pattern: str) -> str:
    """The pattern without an open escape at its end, which Postgres refuses."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" * (backslashes % 2)


def _can_be_stored(text: str) -> bool:
    """Postgres texts hold every character but NUL, which cannot even be asked for."""
    return "\0" not in text


_Compile = Callable[[Any, str, PostgresParams], str]
_CONDITIONS: dict[PostgresType, dict[str, _Compile]] = {
    PostgresType.TEXT: {"string": text_condition, "stringOptions": options_condition},
    PostgresType.INSTANT: {"datetime": instant_condition},
    PostgresType.JSON: {
        "stringObject": member_condition,
        "numberObject": number_member_condition,
    },
}
