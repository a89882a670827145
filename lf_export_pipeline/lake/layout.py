"""How objects of the lake are written: their columns, types and compression, and an id of these."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from lf_export_pipeline.core.formats.arrow_types import ARROW_TYPES
from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.lake.source import LakeColumn, LakeTable

Maps = Literal["map", "json"]
Codec = Literal["zstd", "snappy"]

LAYOUT_VERSION: Final = "1"
"""Raised when equal rows are written as other bytes than before."""

_ID_DIGITS: Final = 12
_USAGE: Final = pa.int64()
"""Without a sign, several engines cannot read it; what does not fit becomes null and is counted."""

_TYPES: Final = ARROW_TYPES | {
    ColumnType.USAGE: _USAGE,
    ColumnType.USAGE_MAP: pa.map_(pa.string(), _USAGE),
}
_MAPS: Final = frozenset(
    {ColumnType.TEXT_MAP, ColumnType.JSON_MAP, ColumnType.USAGE_MAP, ColumnType.COST_MAP}
)


@dataclass(frozen=True, slots=True)
class LakeLayout:
    """How the objects of all tables are written.

    Attributes:
        codec: Of all columns.
        maps: Whether maps are maps, or JSON for engines that have none.
    """

    codec: Codec = "zstd"
    maps: Maps = "map"

    def type_of(self, column: LakeColumn) -> ColumnType:
        """What a column holds in the file."""
        return ColumnType.PAYLOAD if self._is_json(column) else column.type

    def schema(self, table: LakeTable) -> pa.Schema:
        """Every column of a table, always; any may be null."""
        return pa.schema([pa.field(each.name, self._arrow_type(each)) for each in table.columns])

    def schema_json(self, table: LakeTable) -> bytes:
        """What is stored beside the objects, for who wants to make a table of them."""
        return json.dumps(self._described(table), indent=1).encode() + b"\n"

    def schema_id(self, table: LakeTable) -> str:
        """Other columns or types have another one."""
        described = json.dumps(self._described(table), sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:_ID_DIGITS]

    def _described(self, table: LakeTable) -> dict[str, Any]:
        columns = [
            {"name": field.name, "type": str(field.type), "nullable": field.nullable}
            for field in self.schema(table)
        ]
        return {"table": table.name, "layout": LAYOUT_VERSION, "columns": columns}

    def _is_json(self, column: LakeColumn) -> bool:
        return self.maps == "json" and column.type in _MAPS

    def _arrow_type(self, column: LakeColumn) -> pa.DataType:
        return _TYPES[self.type_of(column)]


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """The columns of a table, of which some are left out: these are there, and null.

    Attributes:
        table: The table.
        left_out: Their names.
    """

    table: LakeTable
    left_out: frozenset[str]

    @classmethod
    def of(cls, table: LakeTable, left_out: Collection[str]) -> "ChosenColumns":
        """Those of the names that are columns of the table; the key of its rows is never one."""
        names = {column.name for column in table.columns} - {"id", "project_id"}
        return cls(table, frozenset(names.intersection(left_out)))

    @property
    def read(self) -> tuple[LakeColumn, ...]:
        """The others."""
        return tuple(each for each in self.table.columns if each.name not in self.left_out)
