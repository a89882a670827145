"""How a table of the lake is read: which of Langfuse's tables, by which keys, which columns."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.statement import Store

_COLUMN = re.compile(r"\bt\.(\w+)")


@dataclass(frozen=True, slots=True)
class LakeColumn:
    """One column of every object of a table."""

    name: str
    type: ColumnType = ColumnType.TEXT


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One expression of a table's sorting key, behind the project.

    Attributes:
        order: The expression, over ``t``, as it stands in the sorting key.
        text: What tells its value, as text without a slash.
        value: From a parameter that holds such a text to the value again.
    """

    order: str
    text: str
    value: Callable[[str], str]


def day_part(time: str) -> KeyPart:
    """The day of a time, in the server's zone, as sorting keys have it."""
    day = f"toDate({time})"
    return KeyPart(day, f"toString(toUInt16({day}))", lambda text: f"toDate(toUInt16({text}))")


def text_part(column: str) -> KeyPart:
    """A text, which may hold bytes that are none."""
    return KeyPart(column, f"hex({column})", lambda text: f"unhex({text})")


def minute_part(time: str) -> KeyPart:
    """The minute of an instant."""
    minute = f"toStartOfMinute({time})"
    seconds = f"toString(toUnixTimestamp({minute}))"
    return KeyPart(minute, seconds, lambda text: f"toDateTime(toInt64({text}))")


def hash_part(expression: str) -> KeyPart:
    """A number of 32 bits."""
    return KeyPart(expression, f"toString({expression})", lambda text: f"toUInt32({text})")


def instant_part(column: str) -> KeyPart:
    """An instant in microseconds."""
    micros = f"toString(toUnixTimestamp64Micro({column}))"
    return KeyPart(column, micros, lambda text: f"fromUnixTimestamp64Micro(toInt64({text}))")


@dataclass(frozen=True, slots=True)
class Source:
    """One of Langfuse's tables as the source of a table of the lake, read through the alias ``t``.

    Attributes:
        store: Where it is.
        table: Its name.
        fields: The SQL of each column of the lake that it has; the others are null.
        key: Its sorting key, behind the project.
        identity: What makes a row one row for users, whatever the key of its versions is.
        version: When a version was written, in microseconds: the greatest is the newest.
        narrow: What the fingerprint is made of beside the identity and the version.
        time: The column that days are of; None: the table has no days.
        joins: Other tables that fields need.
        project: The column of the project.
        unused: Columns that Langfuse has and the lake does without, so that a new one shows.
    """

    store: Store
    table: str
    fields: Mapping[str, str]
    key: tuple[KeyPart, ...]
    identity: str
    version: str
    narrow: tuple[str, ...] = ()
    time: str | None = None
    joins: str = ""
    project: str = "t.project_id"
    unused: frozenset[str] = frozenset({"is_deleted"})

    @property
    def is_postgres(self) -> bool:
        """Whether it speaks Postgres' SQL."""
        return self.store is Store.POSTGRES

    def missing(self, known: frozenset[str]) -> tuple[str, ...]:
        """The columns of the lake that an older server has nothing for.

        Args:
            known: The names of the columns that the server's table has.
        """
        return tuple(name for name, sql in self.fields.items() if not _is_there(sql, known))

    def unknown(self, known: frozenset[str]) -> tuple[str, ...]:
        """The columns of the server's table that this version knows nothing of."""
        used = (*self.fields.values(), *self.narrow, self.version, self.identity)
        named = {name for sql in used for name in columns_in(sql)}
        return tuple(sorted(known - named - self.unused))

    def narrow_of(self, known: frozenset[str]) -> tuple[str, ...]:
        """What the fingerprint can be made of on this server."""
        return tuple(sql for sql in self.narrow if _is_there(sql, known))


@dataclass(frozen=True, slots=True)
class LakeTable:
    """One table of the lake.

    Attributes:
        name: As in the paths.
        columns: Of every object, in order.
        sources: Where the rows are; of two the first is the events table, for projects whose rows
            Langfuse writes there alone.
    """

    name: str
    columns: tuple[LakeColumn, ...]
    sources: tuple[Source, ...]

    @property
    def has_days(self) -> bool:
        """Whether it has an object per day, and not one in all."""
        return self.sources[0].time is not None

    @property
    def moves(self) -> bool:
        """Whether a newer version of a row may stand under another key or on another day."""
        return self.has_days and not self.sources[0].is_postgres


def plain(columns: tuple[LakeColumn, ...], **others: str) -> dict[str, str]:
    """The fields of a table that calls its columns as the lake does, save for the others."""
    return {column.name: f"t.{column.name}" for column in columns} | others


def columns_in(sql: str) -> list[str]:
    """The names of the source's columns in an expression."""
    found: list[str] = _COLUMN.findall(sql)
    return found


def _is_there(sql: str, known: frozenset[str]) -> bool:
    return known.issuperset(columns_in(sql))
