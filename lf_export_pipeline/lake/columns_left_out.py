"""Which columns objects do without, by the names that operators give them."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.lake.tables import LAKE_TABLES

KEPT: Final = frozenset({"id", "project_id"})
"""Without them nobody knows what a row is."""

_HOLDS_ALSO: Final = MappingProxyType[str, tuple[str, ...]](
    {
        "input": ("dataset_item_input",),
        "expected_output": ("dataset_item_expected_output",),
        "metadata": ("dataset_item_metadata", "dataset_run_metadata"),
        "model": ("provided_model_name",),
        "internal_model_id": ("model_id",),
        "trace_tags": ("tags",),
        "string_value": ("long_string_value",),
        "comments": ("content",),
    }
)
"""By columns of exports, others of the lake that have the same values."""


def excluded_columns(names: Iterable[str]) -> frozenset[str]:
    """The columns of these names, as they are in the lake or in exports.

    Raises:
        ConfigurationError: No table has such a column, so that one which is meant would stay.
    """
    known = {column.name for table in LAKE_TABLES.values() for column in table.columns} - KEPT
    found = set()
    for name in names:
        column = snake_case(name)
        if column not in known:
            near = get_close_matches(column, known, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"LF_EXPORT_LAKE_COLUMNS_EXCLUDED names {name}, which is no column of the lake "
                f"that can be left out{meant}"
            )
        found.add(column)
    return frozenset(found)


def forbidden_columns(names: Collection[str]) -> frozenset[str]:
    """The columns of the lake that hold what exports may not, whatever they are called here."""
    columns = {snake_case(name) for name in names}
    return frozenset(columns.union(*(_HOLDS_ALSO.get(name, ()) for name in columns)))


def snake_case(name: str) -> str:
    """The name of a column of exports as the lake writes it."""
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
