"""The questions that the lake asks of ClickHouse and Postgres."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.statement import Params, Statement, Store, in_texts
from lf_export_pipeline.lake.days import Span, day_span
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.source import LakeColumn, Source, columns_in

KEY = "#key"
"""The Arrow field that tells a row's place in the sorting key; parts are divided by slashes."""

HASH = "#hash"
"""The Arrow field of a row's part in the digest of its day."""

_MAPS = frozenset({ColumnType.TEXT_MAP, ColumnType.USAGE_MAP, ColumnType.COST_MAP})


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of a source are selected.

    Attributes:
        source: Where they are.
        known: The columns that the server's table has.
        nullable: Those of them that may be null.
    """

    source: Source
    known: frozenset[str]
    nullable: frozenset[str]

    def fingerprints(self, span: Span | None, projects: Collection[str] | None = None) -> Statement:
        """``project, day, rows, newest, digest`` of each project and day that has rows.

        ``FINAL``, so that a merge changes nothing; only narrow columns are read. A hash of a NULL
        is NULL, which the digest would leave out: so NULLs are hashed as two values.

        Args:
            span: The days; None: all rows.
            projects: Their ids; None: of all projects.
        """
        asked = _Asked(self.source)
        if span is not None:
            asked.within(span)
        if projects is not None:
            asked.of_projects(projects)
        day = "''" if self.source.time is None else asked.day
        newest = f"max({self.source.version})"
        sql = (
            f"SELECT {self.source.project} AS project, {day} AS day, {asked.integer('count(*)')}, "
            f"{asked.integer(newest)}, {self._digest()} "
            f"FROM {asked.table} WHERE {asked.condition} GROUP BY project, day"
        )
        return asked.statement(sql)

    def rows(
        self,
        place: Place,
        columns: Sequence[LakeColumn],
        *,
        after: str | None = None,
        limit: int | None = None,
        maps_as_json: bool = False,
    ) -> Statement:
        """Rows of a project and day in the order of the sorting key, with ``KEY`` and ``HASH``.

        Args:
            place: Whose rows.
            columns: Which of them are read; those the server lacks are left out.
            after: The key behind which to begin.
            limit: How many rows at most.
            maps_as_json: Send maps as text.
        """
        asked = _Asked(self.source)
        asked.of(place)
        if after is not None:
            asked.behind(after)
        missing = self.source.missing(self.known)
        fields = [
            f"{self._sent(each, maps_as_json=maps_as_json)} AS {asked.quoted(each.name)}"
            for each in columns
            if each.name in self.source.fields and each.name not in missing
        ]
        fields.append(f"{asked.key} AS {asked.quoted(KEY)}")
        fields.append(f"{self._hash()} AS {asked.quoted(HASH)}")
        sql = (
            f"SELECT {', '.join(fields)} FROM {asked.table} "
            f"WHERE {asked.condition} ORDER BY {asked.order}"
        )
        return asked.statement(sql if limit is None else f"{sql} LIMIT {limit:d}")

    def overlaps(self, place: Place, days: int) -> Statement:
        """``id, day, key, version`` of the rows whose id has several rows, one of them on the day.

        The ids that have several are found without ``FINAL``, in one pass over two narrow columns;
        those few are then looked at as they are.

        Args:
            place: The day whose ids are looked for.
            days: How many days before it and after it are looked at.
        """
        source = self.source
        around, on_day = day_span(place.day).widened(days), day_span(place.day)
        asked = _Asked(source)
        asked.project(place.project)
        asked.within(around)
        of_day = f"{source.project} = {asked.bound(place.project)} AND {asked.days(on_day)}"
        ids = f"SELECT {source.identity} FROM {source.table} AS t WHERE {of_day}"
        key = f"sipHash64({', '.join(part.order for part in source.key)})"
        several = (
            f"SELECT {source.identity} FROM {source.table} AS t "
            f"WHERE {asked.condition} AND {source.identity} IN ({ids}) "
            f"GROUP BY {source.identity} HAVING min({key}) != max({key})"
        )
        sql = (
            f"SELECT hex({source.identity}), {asked.day}, {asked.key}, toInt64({source.version}) "
            f"FROM {asked.table} "
            f"WHERE {asked.condition} AND {source.identity} IN ({several})"
        )
        return asked.statement(sql)

    def _digest(self) -> str:
        if self.source.is_postgres:
            return f"CAST(sum(CAST({self._hash()} AS numeric)) AS text)"
        return f"toString(groupBitXor({self._hash()}))"

    def _hash(self) -> str:
        """Of one row: 64 bits, with a sign in Postgres alone."""
        narrow = (self.source.identity, self.source.version, *self.source.narrow_of(self.known))
        if self.source.is_postgres:
            texts = ", ".join(f"coalesce(CAST({sql} AS text), '')" for sql in narrow)
            return f"hashtextextended(concat_ws('|', {texts}), 0)"
        values = ", ".join(
            sql
            if self.nullable.isdisjoint(columns_in(sql))
            else f"isNull({sql}), assumeNotNull({sql})"
            for sql in narrow
        )
        return f"sipHash64({values})"

    def _sent(self, column: LakeColumn, *, maps_as_json: bool) -> str:
        sql = self.source.fields[column.name]
        is_json = maps_as_json and column.type in _MAPS and not self.source.is_postgres
        return f"toJSONString({sql})" if is_json else sql


def known_columns(source: Source) -> Statement:
    """``name, nullable`` of the columns that the server's table has."""
    if source.is_postgres:
        sql = (
            "SELECT a.attname, NOT a.attnotnull FROM pg_attribute AS a "
            "WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped"
        )
        return Statement(store=source.store, sql=sql, params={"name": source.table})
    params = Params()
    name = params.bind(source.table, "String")
    sql = (
        "SELECT name, position(type, 'Nullable(') > 0 FROM system.columns "
        f"WHERE database = currentDatabase() AND table = {name} AND default_kind != 'EPHEMERAL'"
    )
    return Statement(store=source.store, sql=sql, params=params.values)


def server_version(store: Store) -> Statement:
    """The version of the server as text."""
    shown = "current_setting('server_version')" if store is Store.POSTGRES else "version()"
    return Statement(store=store, sql=f"SELECT {shown}")


class _Asked:
    """Conditions on rows of one source, with their bound values."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._params = Params()
        self._conditions = [f"{source.project} IS NOT NULL"] if source.is_postgres else []
        self._named: dict[str, object] = {}

    @property
    def condition(self) -> str:
        return " AND ".join(self._conditions) or "1 = 1"

    @property
    def table(self) -> str:
        beside = self._source.joins if self._source.is_postgres else "FINAL"
        return f"{self._source.table} AS t {beside}"

    @property
    def day(self) -> str:
        if self._source.is_postgres:
            return f"to_char({self._source.time}, 'YYYY-MM-DD')"
        return f"toString(toDate({self._source.time}, 'UTC'))"

    @property
    def key(self) -> str:
        parts = ", '/', ".join(part.text for part in self._source.key)
        return f"concat({parts}, '')"

    @property
    def order(self) -> str:
        if self._source.is_postgres:
            return ", ".join(f'CAST({part.order} AS text) COLLATE "C"' for part in self._source.key)
        return ", ".join([self._source.project, *(part.order for part in self._source.key)])

    def of(self, place: Place) -> None:
        self.project(place.project)
        if place.day:
            self.within(day_span(place.day))

    def project(self, project: str) -> None:
        self._conditions.append(f"{self._source.project} = {self.bound(project)}")

    def within(self, span: Span) -> None:
        self._conditions.append(self.days(span))

    def of_projects(self, projects: Collection[str]) -> None:
        column = self._source.project
        if self._source.is_postgres:
            self._named["projects"] = list(projects)
            self._conditions.append(f"{column} = ANY(CAST(:projects AS text[]))")
        else:
            self._conditions.append(in_texts(column, self._params, projects))

    def behind(self, key: str) -> None:
        """Rows behind a key; the first part by itself lets the server skip what lies before it."""
        values = [
            part.value(self._params.text(text))
            for part, text in zip(self._source.key, key.split("/"), strict=True)
        ]
        first, *_ = self._source.key
        parts = ", ".join(part.order for part in self._source.key)
        self._conditions += [
            f"{first.order} >= {values[0]}",
            f"({parts}) > ({', '.join(values)})",
        ]

    def bound(self, text: str) -> str:
        if self._source.is_postgres:
            self._named["project"] = text
            return ":project"
        return self._params.text(text)

    def days(self, span: Span) -> str:
        time = self._source.time
        if self._source.is_postgres:
            start, end = f"start_{len(self._named)}", f"end_{len(self._named)}"
            self._named[start] = span.first.isoformat()
            self._named[end] = span.end.isoformat()
            return f"{time} >= CAST(:{start} AS timestamp) AND {time} < CAST(:{end} AS timestamp)"
        start, end = self._params.instant(span.start_at), self._params.instant(span.end_at)
        return f"{time} >= {start} AND {time} < {end}"

    def integer(self, sql: str) -> str:
        return sql if self._source.is_postgres else f"toInt64({sql})"

    def quoted(self, name: str) -> str:
        return f'"{name}"' if self._source.is_postgres else f"`{name}`"

    def statement(self, sql: str) -> Statement:
        params = self._named if self._source.is_postgres else self._params.values
        return Statement(store=self._source.store, sql=sql, params=params)
