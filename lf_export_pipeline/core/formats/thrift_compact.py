"""Thrift's compact protocol, as far as the footers of Parquet files need it.

A struct is a dictionary by field number of what its fields hold; nothing is known of what they
mean, so that fields which a newer version of Parquet has pass through unharmed.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS: Final = frozenset({4, 5, 6})  # of 16, 32 and 64 bits
_SHORT_LIST_MAX: Final = 14
_SHORT_DELTA_MAX: Final = 15


@dataclass(slots=True)
class Value:
    """What a field holds, with the number of its type in the protocol."""

    type: int
    data: Any


@dataclass(slots=True)
class Items:
    """A list or a set: the type of its elements, and those."""

    type: int
    data: list[Any]


@dataclass(frozen=True, slots=True)
class Written:
    """An element that is in the protocol's bytes already."""

    data: bytes


Struct = dict[int, Value]


def read_struct(data: bytes) -> Struct:
    """The struct that the bytes begin with.

    Raises:
        ValueError: They hold something that Parquet has no use for.
    """
    return _Reader(data).struct()


def write_struct(fields: Struct) -> bytes:
    """The struct in bytes."""
    out = bytearray()
    _put_struct(out, fields)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 0x0F
            number = number + delta if delta else self._integer()
            is_flag = kind in {_TRUE, _FALSE}  # whose type says it all
            fields[number] = Value(kind, kind == _TRUE if is_flag else self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct()
        if kind in {_LIST, _SET}:
            return self._items()
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        if kind == _DOUBLE:
            return struct.unpack("<d", self._bytes(8))[0]
        message = f"Type {kind} is not among those of Parquet's footers."
        raise ValueError(message)

    def _items(self) -> Items:
        head = self._byte()
        count, kind = head >> 4, head & 0x0F
        if count > _SHORT_LIST_MAX:
            count = self._varint()
        return Items(kind, [self._value(kind) for _ in range(count)])

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:
                return found
            shift += 7

    def _integer(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)


def _put_struct(out: bytearray, fields: Struct) -> None:
    before = 0
    for number, value in sorted(fields.items()):
        kind = value.type
        if kind in {_TRUE, _FALSE}:
            kind = _TRUE if value.data else _FALSE
        if 0 < number - before <= _SHORT_DELTA_MAX:
            out.append((number - before) << 4 | kind)
        else:
            out.append(kind)
            _put_integer(out, number)
        before = number
        if kind not in {_TRUE, _FALSE}:
            _PUT[kind](out, value.data)
    out.append(0)


def _put_items(out: bytearray, items: Items) -> None:
    count = len(items.data)
    if count <= _SHORT_LIST_MAX:
        out.append(count << 4 | items.type)
    else:
        out.append(0xF0 | items.type)
        _put_varint(out, count)
    for each in items.data:
        if isinstance(each, Written):
            out += each.data
        else:
            _PUT[items.type](out, each)


def _put_binary(out: bytearray, data: bytes) -> None:
    _put_varint(out, len(data))
    out += data


def _put_double(out: bytearray, value: float) -> None:
    out += struct.pack("<d", value)


def _put_integer(out: bytearray, value: int) -> None:
    _put_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _put_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


_PUT: Final[dict[int, Callable[[bytearray, Any], None]]] = {
    **dict.fromkeys((_TRUE, _FALSE, _BYTE), bytearray.append),
    **dict.fromkeys(_INTEGERS, _put_integer),
    _DOUBLE: _put_double,
    _BINARY: _put_binary,
    **dict.fromkeys((_LIST, _SET), _put_items),
    _STRUCT: _put_struct,
}
