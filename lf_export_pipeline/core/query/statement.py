"""SQL as data: text with named placeholders, the values bound to them, and the store to run it."""

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

PARAM_MAX_BYTES = 96 * 1024
"""ClickHouse refuses form fields above 128 KiB (``http_max_field_value_size``), with quoting."""

SQL_MAX_BYTES = 110 * 1024
"""The SQL is such a field, too: parameters beside a raw body would have to stand in the URL, where
the keys of a chunk have no room and proxies write them down. The rest is for these keys' own SQL.
"""

_ESCAPED = "\\'`\t\n"  # by the client, with a backslash
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2299, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Store(StrEnum):
    """Where a statement runs."""

    CLICKHOUSE = "clickhouse"
    EVENTS = "events"  # the same database, through CLICKHOUSE_EVENTS_READ_ONLY_URL where one is set
    POSTGRES = "postgres"


class StoredTable(NamedTuple):
    """One of Langfuse's own tables."""

    store: Store
    name: str


def stored_in(store: Store, *names: str) -> tuple[StoredTable, ...]:
    """Several tables of one store."""
    return tuple(StoredTable(store, name) for name in names)


class Statement(BaseModel):
    """One query with its bound values.

    ClickHouse placeholders are ``{name:Type}``, Postgres placeholders ``:name``. User text is only
    ever a value in ``params``, never a part of ``sql``. ``threads`` is for ClickHouse: how many are
    of use; None leaves it to the settings.
    """

    model_config = ConfigDict(frozen=True)

    store: Store
    sql: str
    params: dict[str, Any] = Field(default_factory=dict)
    threads: int | None = None


class Params:
    """Binds values for one ClickHouse statement and gives the SQL that stands for each.

    Equal values share a placeholder, so that an expression used twice stays short.
    """

    def __init__(self, prefix: str = "p") -> None:
        self._prefix = prefix
        self._values: dict[str, Any] = {}
        self._names: dict[tuple[str, str], str] = {}

    @property
    def values(self) -> dict[str, Any]:
        """The bound values by placeholder name."""
        return dict(self._values)

    def bind(self, value: Any, clickhouse_type: str) -> str:
        """``{name:Type}`` for a value that is short for certain: numbers, dates, enum words."""
        key = (clickhouse_type, repr(value))
        if key not in self._names:
            name = f"{self._prefix}{len(self._values)}"
            self._names[key] = name
            self._values[name] = value
        return f"{{{self._names[key]}:{clickhouse_type}}}"

    def text(self, value: str) -> str:
        """An expression of type String for any user text, however long."""
        pieces = _split_text(value)
        bound = [self.bind(piece, "String") for piece in pieces]
        return bound[0] if len(bound) == 1 else f"concat({', '.join(bound)})"

    def instant(self, value: datetime) -> str:
        """An expression of type DateTime64(3, 'UTC').

        As text ClickHouse reads the years 1900 to 2299 only, and makes those the ends of all time.
        It compares the number of any other instant as it should.
        """
        if not _EARLIEST <= value <= _LATEST:
            milliseconds = (value - _EPOCH) // _MILLISECOND
            return f"fromUnixTimestamp64Milli({self.bind(milliseconds, 'Int64')}, 'UTC')"
        utc = value.astimezone(UTC)
        text = f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03d}"
        return self.bind(text, "DateTime64(3, 'UTC')")

    def array(self, values: Iterable[str]) -> str:
        """An expression of type Array(String) for any number of texts.

        The texts travel as JSON in String parameters: the server parses a long Array parameter in
        quadratic time, and refuses one above 128 KiB.
        """
        pieces = [
            f"JSONExtract({self.text(piece)}, 'Array(String)')" for piece in _split_json(values)
        ]
        return pieces[0] if len(pieces) == 1 else f"arrayConcat({', '.join(pieces)})"


def in_hashes(expression: str, params: Params, little_endian_uint64: bytes) -> str:
    """``expression IN (…)`` for packed 64-bit keys (8 bytes each), as a set that is built once.

    The keys travel as base64 in String parameters and are cut out of them by position: an Array
    parameter of as many elements takes the server minutes to parse.
    """
    step = PARAM_MAX_BYTES // 4 * 3 // 24 * 24  # whole keys, and whole base64 groups
    pieces = [
        little_endian_uint64[at : at + step]
        for at in range(0, max(len(little_endian_uint64), 1), step)
    ]
    keys = " UNION ALL ".join(_unpacked(piece, params) for piece in pieces)
    return f"{expression} IN ({keys})"


def in_texts(expression: str, params: Params, values: Iterable[str]) -> str:
    """``expression IN (…)`` for any number of texts, as a set that the server builds once."""
    return f"{expression} IN (SELECT arrayJoin({params.array(values)}))"


def _unpacked(piece: bytes, params: Params) -> str:
    encoded = params.bind(base64.b64encode(piece).decode(), "String")
    return (
        f"SELECT reinterpretAsUInt64(substring(base64Decode({encoded}), at * 8 + 1, 8)) "
        f"FROM (SELECT arrayJoin(range({len(piece) // 8})) AS at)"
    )


def _split_text(value: str) -> list[str]:
    """Pieces that stay below the limit with what is escaped in them."""
    if _wire_bytes(value) <= PARAM_MAX_BYTES:
        return [value]
    step = PARAM_MAX_BYTES // 4  # no character takes more bytes
    return [value[start : start + step] for start in range(0, len(value), step)]


def _split_json(values: Iterable[str]) -> Sequence[str]:
    """As few lists as possible: each takes its own piece of SQL wherever the array is looked at."""
    pieces: list[str] = []
    batch: list[str] = []
    size = 2
    for text in (json.dumps(value, ensure_ascii=False) for value in values):
        added = _wire_bytes(text) + 2
        if batch and size + added > PARAM_MAX_BYTES:
            pieces.append(f"[{', '.join(batch)}]")
            batch, size = [], 2
        batch.append(text)
        size += added
    pieces.append(f"[{', '.join(batch)}]")
    return pieces


def _wire_bytes(text: str) -> int:
    """The bytes of a String parameter as the client sends it."""
    return len(text.encode()) + sum(map(text.count, _ESCAPED))
