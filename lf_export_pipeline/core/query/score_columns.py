"""Score columns: which names there are, and the cell that each row has under each name.

Langfuse: one column per distinct score name of the project, each cell a JSON array of numbers or of
texts. A cell's type is that of its first value; values of the other type are left out. CORRECTION
scores and empty texts are never exported, a Boolean score counts as its number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lf_export_pipeline.core.query.columns import SCORE_CELLS, SCORE_INDEXES, ColumnType
from lf_export_pipeline.core.query.compiler import FilterColumn, ValueType
from lf_export_pipeline.core.query.export_query import Answers, Lookup, LookupScope
from lf_export_pipeline.core.query.key_scan import NEWEST, versions_of
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.query.time_columns import TimeColumn, compared
from lf_export_pipeline.core.request.admission import (
    CELL_BYTES,
    SCORE_COLUMNS_MAX_BYTES,
    ExportLimits,
    require_bounded_score_names,
)
from lf_export_pipeline.core.request.js_dates import earlier

SCORE_KEY = "#score_key"
"""Arrow field of the rows that score cells are matched by."""

SCORE_ALIAS = "s"
"""The alias under which score filters expect ``ScoreGroups.relation``."""

SCORE_FILTER_COLUMNS = (
    FilterColumn(
        ("scores_avg", "Scores (numeric)"),
        f"{SCORE_ALIAS}.score_numbers",
        ValueType.SCORE_NUMBERS,
        "scores_avg",
        relation=SCORE_ALIAS,
    ),
    FilterColumn(
        ("score_categories", "Scores (categorical)"),
        f"{SCORE_ALIAS}.score_categories",
        ValueType.SCORE_CATEGORIES,
        "score_categories",
        relation=SCORE_ALIAS,
    ),
    FilterColumn(
        ("score_booleans", "Scores (boolean)"),
        f"{SCORE_ALIAS}.score_booleans",
        ValueType.SCORE_BOOLEANS,
        "score_booleans",
        relation=SCORE_ALIAS,
    ),
)

NAMES_ANSWER = "score_names"
COUNT_ANSWER = "score_count"
EXPORTED_TYPES = ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT")
NAMES_LOOKBACK = timedelta(hours=1)
FEW_SCORES = 100_000

_DATA_TYPE = "if(t.data_type = 'BOOLEAN' AND t.value NOT IN (0, 1), 'NUMERIC', t.data_type)"
"""Nothing keeps a score that is said to be true or false from another value."""

_TYPES = ", ".join(f"'{word}'" for word in EXPORTED_TYPES)
_ALWAYS = ("name", "data_type", "string_value", "value")
_NULLABLE_IDS = {"trace_id", "observation_id", "session_id"}
_TARGETS = ("trace_id", "session_id")
_OBSERVED = "observed"
_SAMPLE = 20_000
_TIME = TimeColumn("scores", "t.timestamp")
_VERSION_KEY = "cityHash64(t.name, t.id)"
_SORTED_BY = "toDate(t.timestamp), t.name, t.id"
"""The sorting key of the table behind the project: what versions of one score agree in."""

FIELDS = (
    "trace_id", "observation_id", "session_id", "comment", "execution_trace_id", "timestamp",
    _OBSERVED,
)  # fmt: skip
"""What a query of the newest scores can give beside their values.

``observed`` tells an observation id that is empty from one that is missing.
"""


def score_names_statement(
    project_id: str,
    cutoff: datetime,
    time_from: datetime | None,
    store: Store = Store.CLICKHOUSE,
    max_bytes: int = SCORE_COLUMNS_MAX_BYTES,
    *,
    with_types: bool = False,
) -> Statement:
    """The names of all scores that existed at the cutoff, sorted for a stable order of columns.

    Whoever may send scores chooses their names, so no more of them are fetched than it takes to
    know that they are too long together.

    Args:
        project_id: The project.
        cutoff: When the export was asked for; a score created in that very millisecond counts.
        time_from: The lower bound of the export's time filter; scores older than an hour before it
            are not looked at.
        store: Which ClickHouse to ask.
        max_bytes: What the columns may add to a row.
        with_types: Tell of each name also the types that its scores have, for ``score_types``.
    """
    params = Params()
    most = params.bind(max_bytes, "UInt64")
    project = params.bind(project_id, "String")
    conditions = [
        f"t.project_id = {project}",
        compared("t.created_at", ("<=", cutoff), params),
        f"t.data_type IN ({_TYPES})",
    ]
    if time_from is not None:
        recent = (">=", earlier(time_from, NAMES_LOOKBACK))
        conditions.append(_TIME.condition([recent], project, params))
    scores = f"FROM scores AS t WHERE {' AND '.join(conditions)}"
    found, types = f"SELECT DISTINCT t.name AS name {scores}", ""
    if with_types:
        types = ", types"
        found = (
            f"SELECT t.name AS name, arrayStringConcat(groupUniqArray({_DATA_TYPE}), ',') AS types "
            f"{scores} GROUP BY name"
        )
    sql = (
        f"SELECT leftUTF8(name, {most} + 1) AS name{types} FROM (SELECT name{types}, "
        f"sum(length(name) + {CELL_BYTES}) OVER (ORDER BY name) - length(name) - {CELL_BYTES} "
        f"AS bytes FROM ({found})) WHERE bytes <= {most} ORDER BY name"
    )
    return Statement(store=store, sql=sql, params=params.values)


def score_names(answers: Answers, limits: ExportLimits) -> tuple[str, ...]:
    """The names that ``score_names_statement`` found.

    Raises:
        InvalidFilterError: They are longer together than is allowed.
    """
    names = tuple(str(row[0]) for row in answers[NAMES_ANSWER])
    require_bounded_score_names(names, limits)
    return names


def score_types(answers: Answers) -> tuple[ColumnType, ...]:
    """The type of each score column, if ``score_names_statement`` was to tell.

    A cell lists what CSV lists; a name under which there are numbers and texts is one of texts.
    """
    return tuple(_column_type(set(str(row[1]).split(","))) for row in answers[NAMES_ANSWER])


def _column_type(data_types: set[str]) -> ColumnType:
    if data_types == {"BOOLEAN"}:
        return ColumnType.BOOLEANS
    return ColumnType.DOUBLES if data_types <= {"NUMERIC", "BOOLEAN"} else ColumnType.TEXTS


def score_count_statement(project_id: str, store: Store = Store.CLICKHOUSE) -> Statement:
    """The number of all versions of the project's scores; read from the primary key alone."""
    params = Params()
    project = params.bind(project_id, "String")
    sql = f"SELECT count() FROM scores WHERE project_id = {project}"
    return Statement(store=store, sql=sql, params=params.values)


def are_few_scores(answers: Answers) -> bool:
    """Whether reading all scores of the project costs less than finding those of each chunk."""
    return any(int(str(count)) <= FEW_SCORES for (count,) in answers.get(COUNT_ANSWER, []))


def score_headers(names: Iterable[str], base_columns: Iterable[str]) -> tuple[str, ...]:
    """The header of each score column, in the order of the names.

    A score that is named like another column becomes ``scores.<name>``: the original lets it
    replace that column's value in every row.
    """
    used = set(base_columns)
    headers = []
    for name in names:
        header = name
        while header in used:
            header = f"scores.{header}"
        used.add(header)
        headers.append(header)
    return tuple(headers)


def newest_scores(
    project: str, target: str, versions: str | None, fields: Sequence[str] = FIELDS
) -> str:
    """A query for the newest version of each score, if that names a target and is not deleted.

    A score may have named another target before, so that targets appear that nobody asked about.
    Langfuse reads scores with FINAL: a score that was moved to another day or name counts twice.

    Args:
        project: The placeholder of the project id.
        target: ``trace_id`` or ``session_id``.
        versions: A condition over ``t``. The scores are looked for first that have such a version,
            unless most of them seem to. None: all of the project's scores are read.
        fields: What the caller looks at beside id, name, type and value; each of them is read and
            held for every score.
    """
    values = ", ".join(f"{_score_value(name)} AS {name}" for name in (*_ALWAYS, *fields))
    searched = _searched(project, versions) if versions else "1"
    return (
        f"SELECT * EXCEPT (counts) FROM (SELECT t.id AS id, {values}, "
        f"t.is_deleted = 0 AND isNotNull(t.{target}) AS counts "
        f"FROM scores AS t WHERE t.project_id = {project} AND {searched} "
        # Half the time of argMax over a tuple of the values, which copies them for each version.
        # In the table's own order only versions that lie side by side have to be sorted.
        f"ORDER BY {_SORTED_BY}, {', '.join(f'{part} DESC' for part in NEWEST)} "
        f"LIMIT 1 BY {_SORTED_BY}) "
        f"WHERE counts AND data_type IN ({_TYPES})"
    )


def _searched(project: str, versions: str) -> str:
    """The scores that have such a version, or all of them where most have.

    A set of millions of keys costs more than it saves. Whether most have one is told by the first
    and the last scores by day: chunks go by day as well, so that only one that takes up most of the
    project is dense at both ends. A wrong guess costs time and nothing else.
    """
    most = (
        f"(SELECT min(dense) FROM ({_dense(project, versions)} UNION ALL "
        f"{_dense(project, versions, ' DESC')}))"
    )
    return f"({most} = 1 OR {most} = 0 AND {_versions_by_day(project, versions)})"


def _dense(project: str, versions: str, direction: str = "") -> str:
    columns = ", ".join(f"t.{name} AS {name}" for name in _TARGETS)
    by_day = ", ".join(f"{part}{direction}" for part in ("t.project_id", "toDate(t.timestamp)"))
    return (
        f"SELECT countIf({versions}) * 5 >= count() * 4 AS dense FROM (SELECT {columns} "
        f"FROM scores AS t WHERE t.project_id = {project} ORDER BY {by_day} LIMIT {_SAMPLE}) AS t"
    )


def _versions_by_day(project: str, versions: str) -> str:
    """The day bounds what is read of the versions, where days can be told."""
    by_day = f"toDate(t.timestamp), {_VERSION_KEY}"
    return _TIME.unless_beyond(
        versions_of("scores", by_day, project, versions),
        versions_of("scores", _VERSION_KEY, project, versions),
        project,
    )


def scores_of_traces(
    project: str, traces: str | None, key: str, grouping: Sequence[str]
) -> "ScoreGroups":
    """The newest scores that name a trace, averaged.

    Args:
        project: The placeholder of the project id.
        traces: A query for the ids of the traces that matter, though there may be scores of others;
            None: all of the project's.
        key: As in ``ScoreGroups``.
        grouping: What scores must agree in to be averaged.
    """
    versions = f"t.trace_id IN ({traces})" if traces else None
    return ScoreGroups(newest_scores(project, "trace_id", versions, grouping), key, grouping)


def _score_value(field: str) -> str:
    if field == _OBSERVED:
        return "isNotNull(t.observation_id)"
    return f"ifNull(t.{field}, '')" if field in _NULLABLE_IDS else f"t.{field}"


@dataclass(frozen=True, slots=True)
class ScoreGroups:
    """How scores are averaged before they are listed: those that agree in ``by`` become one."""

    scores: str  # from ``newest_scores``
    key: str  # expression over a group that says which row the value belongs to
    by: Sequence[str]
    condition: str = "1"

    def entries(self, rank: int = 0) -> str:
        """A query ``key, name, rank, number, text``: one row per value that a cell can hold."""
        columns = ", ".join(self.by)
        return (
            f"SELECT {self.key} AS key, name, "
            f"{rank * 2} + (data_type IN ('CATEGORICAL', 'TEXT')) AS rank, "
            "number, ifNull(string_value, '') AS text FROM ("
            f"SELECT {columns}, name, data_type, string_value, avg(value) AS number "
            f"FROM ({self.scores}) WHERE {self.condition} "
            f"GROUP BY {columns}, name, data_type, string_value) "
            "WHERE data_type IN ('NUMERIC', 'BOOLEAN') OR notEmpty(text)"
        )

    def relation(self) -> str:
        """A query ``key, score_numbers, score_categories, score_booleans`` for score filters."""
        columns = ", ".join(self.by)
        return (
            f"SELECT {self.key} AS key, "
            "groupArrayIf((name, number), data_type IN ('NUMERIC', 'BOOLEAN')) AS score_numbers, "
            "groupArrayIf((name, text), "
            "data_type IN ('CATEGORICAL', 'TEXT') AND notEmpty(text)) "
            "AS score_categories, "
            "groupUniqArrayIf((name, lowerUTF8(text)), "
            "data_type = 'BOOLEAN' AND notEmpty(text)) "
            "AS score_booleans FROM ("
            f"SELECT {columns}, name, data_type, ifNull(string_value, '') AS text, "
            "avg(value) AS number "
            f"FROM ({self.scores}) WHERE {self.condition} "
            f"GROUP BY {columns}, name, data_type, string_value) GROUP BY key"
        )


def score_cells_lookup(
    entries: str,
    names: Sequence[str],
    params: Params,
    store: Store = Store.CLICKHOUSE,
    scope: LookupScope = LookupScope.CHUNK,
) -> Lookup:
    """The lookup that gives each row its score cells.

    Args:
        entries: A query as ``ScoreGroups.entries`` gives it, for the rows of a chunk, or for all
            rows of the project.
        names: The score names in the order of their columns.
        params: Where the values of ``entries`` are bound.
        store: Which ClickHouse to ask.
        scope: What ``entries`` is for: CHUNK or ONCE.

    One thread is enough beside the rows that are read at the same time: several cost a third more
    to bring their groups together, and add up averages in another order each time.
    """
    known = params.array(names)
    sql = f"""
SELECT key,
  arrayMap(c -> c.1, cells) AS `{SCORE_INDEXES}`, arrayMap(c -> c.2, cells) AS `{SCORE_CELLS}`
FROM (
  SELECT key, arraySort(groupArray((toUInt32(position - 1), cell))) AS cells
  FROM (
    SELECT key, transform(name, {known}, arrayEnumerate({known}), toUInt32(0)) AS position,
      if(min(rank) % 2 = 0,
         toJSONString(groupArrayIf(number, rank % 2 = 0)),
         toJSONString(groupArrayIf(text, rank % 2 = 1))) AS cell
    FROM ({entries}) GROUP BY key, position HAVING position > 0
  )
  GROUP BY key
)"""
    return Lookup(
        key=SCORE_KEY,
        scope=scope,
        statement=Statement(store=store, sql=sql, params=params.values, threads=1),
        defaults={SCORE_INDEXES: None, SCORE_CELLS: None},
    )
