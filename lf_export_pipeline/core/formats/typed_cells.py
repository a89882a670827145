"""From columns of text, as the stores give them, to columns that have a type.

Arrow converts whole columns. Where it finds a cell that it cannot convert, and where cells are
JSON, each is looked at alone; what does not fit the type becomes null and is counted.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats.arrow_types import INSTANT
from lf_export_pipeline.core.formats.cells import json_text, plain_text

_INSTANT: Final = re.compile(
    r"([+-]?\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z?"
)
_CENTURIES_YEARS, _CENTURIES_DAYS = 400, 146_097  # after which the calendar repeats itself
_MICROSECONDS_OF_DAY: Final = 86_400_000_000
_INT64: Final = 1 << 63
_ERRORS: Final = (pa.ArrowException, ValueError, TypeError, OverflowError, InvalidOperation)


class Converter:
    """Converts the cells of one column to its type.

    Attributes:
        unfit: How many cells have become null, or have a null in them, as they do not fit.
    """

    def __init__(self, kind: pa.DataType, *, has_json: bool = False) -> None:
        """``has_json``: cells are maps whose escapes have not been decoded."""
        self.unfit = 0
        self._has_json = has_json
        self._kind = kind
        self._convert = _CONVERTERS.get(kind.id, _cast)

    def __call__(self, cells: pa.LargeStringArray) -> pa.Array:
        """A value for each cell; null where there is none."""
        if pa.types.is_nested(self._kind):
            return self._nested(cells)
        try:
            return self._convert(cells, self._kind)
        except pa.ArrowInvalid:
            return self._values(cells.to_pylist(), self._one)

    def _nested(self, cells: pa.LargeStringArray) -> pa.Array:
        """Lists and maps; a cell that repeats is parsed once, unless something does not fit."""
        distinct = cells.dictionary_encode()
        before = self.unfit
        found = self._containers(distinct.dictionary)
        if self.unfit == before:
            return found.take(distinct.indices)
        self.unfit = before
        return self._containers(cells)

    def _containers(self, cells: pa.LargeStringArray) -> pa.Array:
        is_map = pa.types.is_map(self._kind)
        item = self._kind.item_type if is_map else self._kind.value_type
        parsed = [self._parsed(cell, item, is_map=is_map) for cell in cells.to_pylist()]
        offsets, size = [0], 0
        for each in parsed:
            size += 0 if each is None else len(each)
            offsets.append(size)
        flat = [value for each in parsed if each is not None for value in each]
        ends = pa.array(offsets, pa.int32())
        missing = pa.array([each is None for each in parsed], pa.bool_())
        mask = missing if missing.true_count else None
        if not is_map:
            return pa.ListArray.from_arrays(ends, self._items(flat, item), mask=mask)
        if self._has_json:
            flat = [(_decoded_text(key), _decoded(value)) for key, value in flat]
        keys, items = [key for key, _ in flat], [value for _, value in flat]
        return pa.MapArray.from_arrays(ends, _texts(keys), self._items(items, item), mask=mask)

    def _parsed(self, cell: str | None, item: pa.DataType, *, is_map: bool) -> Sequence[Any] | None:
        """The values of a list, or the pairs of a map; None where there is none."""
        if not cell:
            return None
        try:
            found = _decoder(item).decode(cell)
        except (ValueError, RecursionError):
            found = None
        if type(found) is (_Pairs if is_map else list):
            return cast("Sequence[Any]", found)
        self.unfit += 1
        return None

    def _items(self, values: list[Any], item: pa.DataType) -> pa.Array:
        if pa.types.is_string(item):
            return _texts([_as_text(value) for value in values])
        if pa.types.is_boolean(item):
            return self._values(values, _boolean, item)
        try:
            return pa.array(values, item)
        except _ERRORS:
            return self._values(values, lambda value: pa.scalar(_exact(value, item), item), item)

    def _one(self, cell: str) -> Any:
        """A cell that Arrow does not convert in a column, or one beside it; an empty one is null.

        Raises:
            ValueError: And others of ``_ERRORS``: it does not fit.
        """
        if not cell:
            return None
        if self._kind == INSTANT:
            return _microseconds(cell)
        if pa.types.is_decimal(self._kind):
            return pa.scalar(_exact(Decimal(cell), self._kind), self._kind)
        return pa.scalar(cell).cast(self._kind)

    def _values(
        self, cells: Iterable[Any], one: Callable[[Any], Any], kind: pa.DataType | None = None
    ) -> pa.Array:
        found = []
        for cell in cells:
            try:
                found.append(None if cell is None else _plain(one(cell)))
            except _ERRORS:
                self.unfit += 1
                found.append(None)
        return pa.array(found, kind or self._kind)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in their order; a name may be there twice."""


_DOUBLES: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=float)
_NUMBERS: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=Decimal)
_TEXTS: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=str, parse_int=str)
"""Numbers among texts keep their spelling."""


def _decoder(item: pa.DataType) -> json.JSONDecoder:
    if pa.types.is_string(item):
        return _TEXTS
    return _DOUBLES if pa.types.is_floating(item) else _NUMBERS


def _instants(cells: pa.LargeStringArray, kind: pa.DataType) -> pa.Array:
    """With ``T`` and ``Z``, as JavaScript writes instants, or with a space, as ClickHouse does."""
    return pc.utf8_rtrim(cells, "Z").cast(pa.timestamp("us")).cast(kind)


def _cast(cells: pa.LargeStringArray, kind: pa.DataType) -> pa.Array:
    return cells.cast(kind)


_CONVERTERS: Final[dict[int, Callable[[pa.LargeStringArray, pa.DataType], pa.Array]]] = {
    INSTANT.id: _instants
}


def _microseconds(cell: str) -> int:
    """An instant of any year, since 1970; those after 9999 and before 1 have a sign.

    Raises:
        ValueError: It is none, or beyond what 64 bits hold.
    """
    found = _INSTANT.fullmatch(cell)
    if found is None:
        raise ValueError(cell)
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    centuries, year_of_them = divmod(year - 2000, _CENTURIES_YEARS)
    days = (date(2000 + year_of_them, month, day) - date(1970, 1, 1)).days
    seconds = (hour * 60 + minute) * 60 + second
    microseconds = int((found[7] or "0").ljust(6, "0")[:6])
    whole = (days + centuries * _CENTURIES_DAYS) * _MICROSECONDS_OF_DAY
    instant = whole + seconds * 1_000_000 + microseconds
    if not -_INT64 <= instant < _INT64:
        raise ValueError(cell)
    return instant


def _exact(value: Any, kind: pa.DataType) -> Any:
    """The value, if it has no more digits than the type.

    Raises:
        ValueError: It has.
    """
    if isinstance(value, bool):
        raise TypeError(value)
    if not pa.types.is_decimal(kind):
        return value
    number = Decimal(value)
    if not number.is_finite() or number.adjusted() >= kind.precision - kind.scale:
        raise ValueError(value)
    if number != round(number, kind.scale):
        raise ValueError(value)
    return round(number, kind.scale)


def _boolean(value: Any) -> bool:
    """Scores that are true or false count as 1 and 0.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, (int, Decimal)) and value in {0, 1}:
        return bool(value)
    raise ValueError(value)


def _plain(value: Any) -> Any:
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _decoded(value: str) -> str:
    r"""A text without its escapes, by the rules of JSON where it is JSON.

    Langfuse parses such values, so that in CSV ``{"a":"\\\u0041"}`` holds a backslash.
    """
    if "\\u" not in value or not _is_json(value):
        return _decoded_text(value)
    return json_text(value.encode(errors="backslashreplace")).decode()


def _decoded_text(value: str) -> str:
    if "\\u" not in value:
        return value
    return plain_text(value.encode(errors="backslashreplace")).decode()


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, _Pairs):
        return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _texts(values: list[str | None]) -> pa.Array:
    r"""Texts; half a surrogate pair, which is no character, stays ``\udXXX`` as it was written."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        spelt = [each and each.encode(errors="backslashreplace").decode() for each in values]
        return pa.array(spelt, pa.string())
