"""What a value of a Parquet file has to be, by the cell of the CSV file of the same export.

Written from the description of both and not from the code that converts: one cell at a time.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Pairs = list[tuple[str, Any]]


def table_of(parquet: bytes) -> pa.Table:
    """The file as pyarrow reads it."""
    return pq.read_table(io.BytesIO(parquet))


def differences(
    csv_file: bytes,
    parquet: bytes,
    columns: Sequence[OutputColumn],
    score_types: Sequence[ColumnType],
) -> list[str]:
    """Cells that are not the same in both files, rows compared in their order."""
    header, *rows = list(csv.reader(io.StringIO(csv_file.decode(), newline=""), strict=True)) or [
        []
    ]
    table = table_of(parquet)
    if not header:
        return [] if table.num_rows == 0 else ["CSV has no rows"]
    if table.column_names != header:
        return [f"columns {table.column_names} and {header}"]
    if table.num_rows != len(rows):
        return [f"{table.num_rows} and {len(rows)} rows"]
    kinds = [column.kind for column in columns] + [Kind.JSON] * len(score_types)
    types = [*(column.type for column in columns), *score_types]
    return [
        f"{name}, row {at}: {value!r} for {rows[at][position]!r}"
        for position, (name, kind, type_) in enumerate(zip(header, kinds, types, strict=True))
        for at, value in enumerate(_values(table.column(name)))
        if not is_same(rows[at][position], value, kind, type_)
    ]


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Instants as numbers: Python's end with the year 9999."""
    is_instant = pa.types.is_timestamp(column.type)
    values: list[Any] = (column.cast(pa.int64()) if is_instant else column).to_pylist()
    return values


def is_same(cell: str, value: Any, kind: Kind, type_: ColumnType) -> bool:
    """Whether a value is what the cell says."""
    if value is None:
        return cell == ""
    if kind is Kind.PRETTY_JSON:
        return bool(_parsed(cell) == _parsed(value))
    return SAME[type_](cell, value)


def _is_same_text(cell: str, value: Any) -> bool:
    return bool(cell == value)


def _is_same_instant(cell: str, value: Any) -> bool:
    return bool((_instant(cell) - EPOCH) // MICROSECOND == value)


def _is_same_number(cell: str, value: Any) -> bool:
    """All digits, or where CSV has a double, as of prices and sums of costs, that double."""
    number = Decimal(cell.strip('"'))
    return bool(number == value or float(number) == float(value))


def _is_same_sum(cell: str, value: Any) -> bool:
    return bool(int(cell) == value)


def _are_same_list(cell: str, value: Any) -> bool:
    return sorted(_spelt(each) for each in _parsed(cell)) == sorted(map(_spelt, value))


def _are_same_numbers(cell: str, value: Any) -> bool:
    found, of_csv = (
        [each for each in cells if each is not None] for cells in (value, _parsed(cell))
    )
    has_all = len(value) == len(_parsed(cell))
    return has_all and sorted(map(float, found)) == sorted(map(float, of_csv))


def _are_same_pairs(cell: str, value: Any) -> bool:
    return bool([(_spelt(key), number) for key, number in _parsed(cell)] == value)


def _are_same_texts(cell: str, value: Any) -> bool:
    """Whether each text of a map, parsed where it is JSON, is what CSV shows of it."""
    shown: Pairs = _parsed(cell)
    if [_spelt(key) for key, _ in shown] != [key for key, _ in value]:
        return False
    return all(
        text == _spelt(of_csv) or _json(text) == of_csv
        for (_, of_csv), (_, text) in zip(shown, value, strict=True)
    )


SAME: dict[ColumnType, Callable[[str, Any], bool]] = {
    ColumnType.TEXT: _is_same_text,
    ColumnType.PAYLOAD: _is_same_text,
    ColumnType.INSTANT: _is_same_instant,
    ColumnType.BOOLEAN: lambda cell, value: {"true": True, "false": False}[cell] is value,
    ColumnType.INTEGER: _is_same_sum,
    ColumnType.USAGE: _is_same_sum,
    ColumnType.DOUBLE: _is_same_number,
    ColumnType.COST: _is_same_number,
    ColumnType.COST_SUM: _is_same_number,
    ColumnType.TEXTS: _are_same_list,
    ColumnType.DOUBLES: _are_same_numbers,
    ColumnType.BOOLEANS: _are_same_numbers,
    ColumnType.TEXT_MAP: _are_same_texts,
    ColumnType.JSON_MAP: _are_same_texts,
    ColumnType.USAGE_MAP: _are_same_pairs,
    ColumnType.COST_MAP: _are_same_pairs,
}


def _instant(cell: str) -> datetime:
    found = datetime.fromisoformat(cell.strip('"'))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _parsed(cell: str) -> Any:
    return json.loads(cell, parse_float=Decimal, object_pairs_hook=list)


def _spelt(value: Any) -> str:
    return (
        value.encode(errors="backslashreplace").decode() if isinstance(value, str) else str(value)
    )


def _json(text: str) -> Any:
    try:
        return _parsed(text)
    except ValueError:
        return text
