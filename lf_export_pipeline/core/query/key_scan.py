"""Reading tables that keep several versions of a row: scan the keys, then fetch key ranges.

The key scan decides, in one pass, which rows an export holds. A row's newest version wins, whatever
partition or sorting key its versions have; only then are deletion, cutoff and filters looked at.
The conditions are evaluated on every physical version while it streams by, and ``argMax`` keeps the
verdict of the newest: so filters on wide columns cost one pass and no memory, and stale versions
never match.

Fetching a chunk then reads the wide columns inside the box that the chunk's keys span in the
table's sorting key, and takes the rows whose physical key is one of the chunk's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lf_export_pipeline.core.query.export_query import RowSource
from lf_export_pipeline.core.query.key_hash import keyed_hash
from lf_export_pipeline.core.query.selection import ScanPredicates
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.query.time_columns import TimeColumn

NEWEST = (
    *("t.event_ts", "1 - t.is_deleted", "t.updated_at"),
    *("t._part_index", "t._part_offset"),
)
"""What versions of a row are compared by: the greatest is the newest.

Versions that agree in what Langfuse writes are told apart by their place, so that scan, chunk and
lookups take the same one: the one stored last, which is also the one that ClickHouse keeps when it
merges them.
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """A leading column of a table's sorting key that a chunk's range is told by.

    Only types whose text sorts like their values: Date, DateTime, String. Strings travel as
    hexadecimal digits: they may hold bytes that are no text, which would come back changed and
    leave the rows at the ends of a chunk outside of its range. The text of a time is empty where a
    row lies beyond what the type can hold: nobody knows what the table is sorted by there, so a
    chunk with such a row has no range.
    """

    expression: str  # over ``t``; one of the table's sorting key
    type: str

    @property
    def is_time(self) -> bool:
        """Whether it is a day or a minute."""
        return self.type != "String"

    def text(self, value: str, is_beyond: str) -> str:
        """The expression of its text.

        Args:
            value: The expression of the bound.
            is_beyond: Whether the row's time lies beyond its type.
        """
        if not self.is_time:
            return f"hex({value})"
        zone = ", 'UTC'" if self.type.startswith("DateTime") else ""
        return f"if({is_beyond}, '', toString({value}{zone}))"

    def between(self, lower: str, upper: str) -> str:
        """The condition that a row lies between the values whose texts two parameters hold."""
        low, high = f"{{{lower}:String}}", f"{{{upper}:String}}"
        within = f"{self.expression} BETWEEN {self._value(low)} AND {self._value(high)}"
        return f"({within} OR {low} = '')" if self.is_time else within

    def _value(self, text: str) -> str:
        if not self.is_time:
            return f"unhex({text})"
        return (
            f"toDateTimeOrZero({text}, 'UTC')" if "Time" in self.type else f"toDateOrZero({text})"
        )


@dataclass(frozen=True, slots=True)
class VersionedTable:
    """A ReplacingMergeTree of Langfuse, read through the alias ``t``."""

    name: str
    store: Store
    identity: str  # what makes a row one row for the user
    time: str  # the column that ranges of time and the cutoff are about
    sorting_key: tuple[str, ...]  # after project_id
    bounds: tuple[Bound, ...]
    version: tuple[str, ...] = NEWEST  # greatest wins

    @property
    def key(self) -> str:
        """A 64-bit hash of the sorting key; versions that share it lie side by side."""
        return keyed_hash(", ".join(self.sorting_key))

    @property
    def time_column(self) -> TimeColumn:
        """The time with what the sorting key makes of it."""
        return TimeColumn(self.name, self.time, indexed=any(b.is_time for b in self.bounds))

    @property
    def row_source(self) -> RowSource:
        """What an export of this table's rows says of where they are."""
        return RowSource(store=self.store, table=self.name, time=self.time)

    @property
    def box(self) -> str:
        """The condition that a row lies between the bounds of a chunk."""
        return " AND ".join(
            bound.between(f"lo_{at}", f"hi_{at}") for at, bound in enumerate(self.bounds)
        )

    def chunk(self, project: str) -> str:
        """The condition that a physical row belongs to a chunk."""
        return f"t.project_id = {project} AND {self.box} AND /*keys:{self.key}*/"


@dataclass(frozen=True, slots=True)
class Relation:
    """Something aggregated per row, joined to the scan because a condition asks for it."""

    sql: str  # a query with a column ``key``
    on: str  # the name of the carried column that ``key`` equals


@dataclass(frozen=True, slots=True)
class KeyScan:
    """The keys that an export selects, in the order of the file."""

    table: VersionedTable
    project: str
    selection: ScanPredicates  # its late conditions are over n.<carried> and relation aliases
    carried: Mapping[str, str] = field(
        default_factory=dict
    )  # n.<name> ← expression of the newest version
    relations: Mapping[str, Relation] = field(default_factory=dict)  # by alias
    order: Sequence[str] = ()  # over n.<carried>; default: the physical order
    one_by: Sequence[str] = ()  # over n.<carried>: of rows that agree in these, only the first
    row_limit: int = 1_500_000

    def statement(self, params: Params) -> Statement:
        """The scan: ``key``, ``b0``, ``b1``, … in the order of the file, one above the limit."""
        keys = [f"n.k{at}" for at in range(len(self.table.sorting_key))]
        columns = [f"{keyed_hash(', '.join(keys))} AS key"]
        columns += [
            f"{self._bound_text(bound)} AS b{at}" for at, bound in enumerate(self.table.bounds)
        ]
        joins = [
            f"LEFT JOIN ({relation.sql}) AS {alias} ON {alias}.key = n.{relation.on}"
            for alias, relation in self.relations.items()
        ]
        late = f"WHERE {all_of(self.selection.late)}" if self.selection.late else ""
        one_by = f"LIMIT 1 BY {', '.join(self.one_by)}\n" if self.one_by else ""
        sql = (
            f"SELECT {', '.join(columns)}\nFROM ({self._newest()}) AS n\n"
            f"{' '.join(joins)}\n{late}\n"
            f"ORDER BY {', '.join([*self.order, *keys])}\n{one_by}LIMIT {self.row_limit + 1}"
        )
        return Statement(store=self.table.store, sql=sql, params=params.values)

    @property
    def _carried(self) -> dict[str, str]:
        return {**self.carried, **self.selection.carried}

    def _bound_text(self, bound: Bound) -> str:
        return bound.text(f"n.k{self.table.sorting_key.index(bound.expression)}", "n.beyond")

    def _newest(self) -> str:
        """Rows whose newest version is not deleted, in range, and passes the row conditions."""
        names = [*(f"k{at}" for at in range(len(self.table.sorting_key))), *self._carried]
        unpacked = [f"newest.{at} AS {name}" for at, name in enumerate(names, start=1)]
        unpacked.append(f"newest.{len(names) + 1} > 1 AS beyond")
        return (
            f"SELECT id, {', '.join(unpacked)} FROM (\n"
            f"SELECT id, argMax(v, version) AS newest FROM (\n{self._versions()}\n)\n"
            f"GROUP BY id) WHERE newest.{len(names) + 1}"
        )

    def _versions(self) -> str:
        """Every version that may matter: those in range with a verdict, the rest as rejected.

        Rows out of range are looked at only to find that a row in range is stale, so their wide
        columns are never read, and with a lower bound only for ids that occur in the range.
        """
        in_range = f"t.project_id = {self.project} AND {self.selection.time_range}"
        verdict = all_of(["t.is_deleted = 0", *self.selection.row])
        others = f"t.project_id = {self.project} AND NOT {self.selection.time_range}"
        if self.selection.is_bounded:
            others += (
                f" AND {self.table.identity} IN "
                f"(SELECT {self.table.identity} FROM {self.table.name} AS t WHERE {in_range})"
            )
        return (
            f"{self._version_rows(f'ifNull({verdict}, 0)')} WHERE {in_range}\n"
            f"UNION ALL\n{self._version_rows('0')} WHERE {others}"
        )

    def _version_rows(self, verdict: str) -> str:
        """The versions with their verdict: 0, or 1, or 2 where the time is beyond the index.

        Each value that is carried apart costs a tenth of the whole scan.
        """
        time = self.table.time_column
        if time.indexed and verdict != "0":
            verdict = f"bitShiftLeft(toUInt8({verdict}), {time.is_beyond})"
        values = [*self.table.sorting_key, *self._carried.values()]
        return (
            f"SELECT {self.table.identity} AS id, "
            f"tuple({', '.join(values)}, toUInt8({verdict})) AS v, "
            f"({', '.join(self.table.version)}) AS version "
            f"FROM {self.table.name} AS t"
        )


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """How the wide columns of a chunk are read: the newest version per key, in the scan's order."""

    table: VersionedTable
    project: str
    columns: Mapping[str, str]  # Arrow field ← expression over ``t``
    order: Sequence[str] = ()  # as the scan's, but over ``t``; by parts of the sorting key only
    relations: Mapping[str, Relation] = field(
        default_factory=dict
    )  # by alias; on: a column of ``t``

    def statement(self, params: Params) -> Statement:
        """The template that ``chunk_plan.bind_chunk`` completes."""
        fields = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in self.columns.items())
        newest_first = [f"{part} DESC" for part in self.table.version]
        order = [*self.order, *self.table.sorting_key, *newest_first]
        joins = "".join(
            f"\nLEFT JOIN ({relation.sql}) AS {alias} ON {alias}.key = t.{relation.on}"
            for alias, relation in self.relations.items()
        )
        sql = (
            f"SELECT * EXCEPT (`#deleted`) FROM (\nSELECT {fields}, t.is_deleted AS `#deleted`\n"
            f"FROM {self.table.name} AS t{joins}\nWHERE {self.table.chunk(self.project)}\n"
            f"ORDER BY {', '.join(order)}\nLIMIT 1 BY {self.table.identity}) WHERE `#deleted` = 0"
        )
        return Statement(store=self.table.store, sql=sql, params=params.values)


def reordered(rows: Statement, order: Sequence[str], hidden: Sequence[str]) -> Statement:
    """The same rows in another order than the sorting key gives.

    The order has to come after the newest versions were told: versions differ in what it looks at.

    Args:
        rows: From ``ChunkRows``.
        order: Over fields of the rows.
        hidden: Fields that only serve the order, and are left out.
    """
    sql = (
        f"SELECT * EXCEPT ({', '.join(quoted(name) for name in hidden)}) FROM (\n{rows.sql}\n)\n"
        f"ORDER BY {', '.join(order)}"
    )
    return rows.model_copy(update={"sql": sql})


def row_size_sample(table: VersionedTable, project_id: str, columns: Sequence[str]) -> Statement:
    """``row_bytes``: the mean size of the rows of a chunk, by the columns that can be long."""
    params = Params()
    size = " + ".join(f"length(ifNull(toString({column}), ''))" for column in columns) or "0"
    chunk = table.chunk(params.bind(project_id, "String"))
    sql = f"SELECT avg({size}) AS row_bytes FROM {table.name} AS t WHERE {chunk}"
    return Statement(store=table.store, sql=sql, params=params.values)


def versions_of(table: str, key: str, project: str, condition: str) -> str:
    """The condition that ``t`` is a version of a row that has such a version, or had one.

    Of these versions the newest is to be taken, and what that says counts. If the versions were
    tested themselves, one would be taken for the newest that has been replaced.

    Args:
        table: The name of the table.
        key: What versions of one row agree in, over ``t``: expressions with commas between them,
            not a tuple, by which ClickHouse 24.8 cannot search an index (code 43). Others may
            agree in it, even on purpose: they are read in vain, and belong to rows of their own.
        project: The placeholder of the project id.
        condition: Over ``t``.
    """
    return (
        f"({key}) IN (SELECT {key} FROM {table} AS t "
        f"WHERE t.project_id = {project} AND ({condition}))"
    )


def quoted(name: str) -> str:
    """A field name as a ClickHouse identifier. Names come from our own tables, never from users."""
    return f"`{name}`"


def all_of(conditions: Sequence[str]) -> str:
    """The conjunction of conditions; of none it is true."""
    return " AND ".join(f"({condition})" for condition in conditions) if conditions else "1"
