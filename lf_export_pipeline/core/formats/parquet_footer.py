"""One footer for row groups that were written as files of their own.

A footer lists the row groups of its file, and where in it each column of each begins (Parquet's
``FileMetaData``). Groups that move with their bytes need nothing but other places; so that of many
chunks one file can be made without a look at their rows.
"""

from collections.abc import Iterable
from typing import Final

from lf_export_pipeline.core.formats.thrift_compact import (
    Items,
    Struct,
    Value,
    Written,
    read_struct,
    write_struct,
)

MAGIC: Final = b"PAR1"
_LENGTH_BYTES: Final = 4

# Fields by their numbers in parquet.thrift.
_SCHEMA, _ROWS, _ROW_GROUPS = 2, 3, 4
_GROUP_COLUMNS, _GROUP_OFFSET, _GROUP_ORDINAL = 1, 5, 7
_CHUNK_META = 3
_CHUNK_OFFSETS: Final = (2, 4, 6)  # of the chunk, its offset index, its column index
_META_OFFSETS: Final = (9, 10, 11, 14)  # data pages, index pages, dictionary, Bloom filter
_ORDINAL_MAX: Final = (1 << 15) - 1


def footer_of(file: bytes) -> bytes:
    """The footer of a whole file, or of its last bytes."""
    tail = len(MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(file[-tail : -len(MAGIC)], "little")
    return file[-tail - length : -tail]


def framed(footer: bytes) -> bytes:
    """A footer as it ends a file."""
    return footer + len(footer).to_bytes(_LENGTH_BYTES, "little") + MAGIC


def merged(footers: Iterable[tuple[int, bytes]]) -> bytes:
    """The footer of a file that has the row groups of others, at least of one.

    Args:
        footers: How many bytes further back the groups of each are now, and its footer.

    Raises:
        ValueError: Two of them have different columns.
    """
    whole: Struct = {}
    groups: list[Written] = []
    rows = 0
    for shift, footer in footers:
        chunk = read_struct(footer)
        whole = whole or chunk
        if chunk[_SCHEMA] != whole[_SCHEMA]:
            message = "The chunks of one Parquet file have different columns."
            raise ValueError(message)
        rows += chunk[_ROWS].data
        for group in chunk[_ROW_GROUPS].data.data:
            _move(group, shift, len(groups))
            groups.append(Written(write_struct(group)))
    items: Items = whole[_ROW_GROUPS].data
    return write_struct(
        {
            **whole,
            _ROWS: Value(whole[_ROWS].type, rows),
            _ROW_GROUPS: Value(whole[_ROW_GROUPS].type, Items(items.type, list(groups))),
        }
    )


def _move(group: Struct, shift: int, ordinal: int) -> None:
    _shift(group, (_GROUP_OFFSET,), shift)
    if _GROUP_ORDINAL in group:
        group[_GROUP_ORDINAL].data = ordinal
        if ordinal > _ORDINAL_MAX:  # it has 16 bits, and only encryption needs it
            del group[_GROUP_ORDINAL]
    for chunk in group[_GROUP_COLUMNS].data.data:
        _shift(chunk, _CHUNK_OFFSETS, shift)
        if _CHUNK_META in chunk:
            _shift(chunk[_CHUNK_META].data, _META_OFFSETS, shift)


def _shift(fields: Struct, numbers: Iterable[int], shift: int) -> None:
    """Places move; 0 is none, as a file begins with four bytes of its own."""
    for number in numbers:
        if number in fields and fields[number].data:
            fields[number].data += shift
