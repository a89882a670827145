"""What can be filtered: a table's columns under the names that users and the web app give them."""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.request.validation_messages import join_limited

_SHOWN_CHARACTERS = 80


class ValueType(StrEnum):
    """What a column's ClickHouse expression gives."""

    STRING = "string"
    NUMBER = "number"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    STRING_ARRAY = "string_array"
    STRING_MAP = "string_map"  # Map(String, String)
    NAMED_ARRAYS = "named_arrays"  # a tuple of two Array(String): names, values
    SCORE_NUMBERS = "score_numbers"  # Array(Tuple(name String, value Float64))
    SCORE_CATEGORIES = "score_categories"  # Array(Tuple(name String, value String))
    SCORE_BOOLEANS = "score_booleans"  # Array(Tuple(name String, 'true' or 'false'))


class NumberKind(StrEnum):
    """How the numbers of a column are stored, which decides how a user's number is compared."""

    EXACT = "exact"  # integers and decimals: compared digit by digit
    FLOAT = "float"  # Float32, Float64: compared as the nearest float


UI_TYPES = {
    ValueType.STRING: "string",
    ValueType.NUMBER: "number",
    ValueType.DATETIME: "datetime",
    ValueType.BOOLEAN: "boolean",
    ValueType.STRING_ARRAY: "arrayOptions",
    ValueType.STRING_MAP: "stringObject",
    ValueType.NAMED_ARRAYS: "stringObject",
    ValueType.SCORE_NUMBERS: "numberObject",
    ValueType.SCORE_CATEGORIES: "categoryOptions",
    ValueType.SCORE_BOOLEANS: "booleanObject",
}
"""The type by which the web app's column definitions usually call each value type."""


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """One column that filters and orders can name.

    ``expression`` is SQL over the row (or the joined relation) of the table's key scan. It must
    give sensible values when the relation has no row: ``''``, ``[]``, 0 or NULL.
    """

    names: tuple[str, ...]  # the id first, then UI names and aliases; exact, case-sensitive
    expression: str
    value_type: ValueType
    checked_as: str | None = None  # the id whose UI definition restricts filter types; None: none
    ui_type: str | None = None  # the type of that definition, where UI_TYPES does not give it
    number_kind: NumberKind = NumberKind.EXACT
    nullable: bool = False  # without it "is null" is decided without reading the column
    empty_equals_null: bool = False
    relation: str | None = None  # what the table must join for it; None: nothing

    @property
    def expected_type(self) -> str:
        """The filter type to name in a sentence about a wrong one."""
        return self.ui_type or UI_TYPES[self.value_type]


class FilterTable:
    """The columns of one table, found by any of their names."""

    def __init__(self, name: str, columns: tuple[FilterColumn, ...]) -> None:
        self.name = name
        self.columns = columns
        self._by_name: dict[str, FilterColumn] = {}
        for column in columns:
            for alias in column.names:
                self._by_name.setdefault(alias, column)  # Langfuse: the first mapping wins

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def column(self, name: str) -> FilterColumn:
        """The column that goes by this name.

        Raises:
            InvalidFilterError: There is none; the sentence lists names that are close.
        """
        found = self._by_name.get(name)
        if found is None:
            raise InvalidFilterError(
                f"Column {_plain(name)} does not match a UI / CH table mapping. {self._help(name)}"
            )
        return found

    def names_of(self, expression: str) -> tuple[str, ...]:
        """All names of the columns with this expression; the ids come before the UI's names."""
        return tuple(
            name for each in self.columns if each.expression == expression for name in each.names
        )

    def order_column(self, name: str) -> FilterColumn:
        """The column to order by.

        Raises:
            InvalidFilterError: There is none; the sentence lists names that are close.
        """
        found = self._by_name.get(name)
        if found is None:
            raise InvalidFilterError(f"Invalid order by column: {_plain(name)}. {self._help(name)}")
        return found

    def _help(self, name: str) -> str:
        close = get_close_matches(name[:_SHOWN_CHARACTERS], self._by_name, n=3)
        if close:
            return f"Did you mean {' or '.join(close)}?"
        return (
            f"Columns of {self.name}: {join_limited([column.names[0] for column in self.columns])}."
        )


def _plain(name: str) -> str:
    """A user's column name in a sentence: one short line."""
    text = "".join(c if c.isprintable() else " " for c in name[: _SHOWN_CHARACTERS + 1])
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
