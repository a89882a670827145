"""Score columns: the cell that each row has under each name.

Langfuse: one column per distinct score name of the project, each cell a JSON array of numbers or of
texts. A cell's type is that of its first value; values of the other type are left out. CORRECTION
scores and empty texts are never exported, a Boolean score counts as its number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lf_export_pipeline.core.query.columns import SCORE_CELLS, SCORE_INDEXES
from lf_export_pipeline.core.query.compiler import FilterColumn, ValueType
from lf_export_pipeline.core.query.export_query import Lookup, LookupScope
from lf_export_pipeline.core.query.newest_scores import newest_scores
from lf_export_pipeline.core.query.score_names import shown_name
from lf_export_pipeline.core.query.statement import Params, Statement, Store

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


@dataclass(frozen=True, slots=True)
class ScoreGroups:
    """How scores are averaged before they are listed: those that agree in ``by`` become one."""

    scores: str  # from ``newest_scores``
    key: str  # expression over a group that says which row the value belongs to
    by: Sequence[str]
    condition: str = "1"

    def entries(self) -> str:
        """A query ``key, name, is_text, number, text``: one row per value that a cell can hold."""
        columns = ", ".join(self.by)
        return (
            f"SELECT {self.key} AS key, name, "
            "data_type IN ('CATEGORICAL', 'TEXT') AS is_text, "
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
    # It costs as much as the rest, so it is asked of projects alone that have such a name.
    name = shown_name("name") if any("\ufffd" in each for each in names) else "name"
    sql = f"""
SELECT key,
  arrayMap(c -> c.1, cells) AS `{SCORE_INDEXES}`, arrayMap(c -> c.2, cells) AS `{SCORE_CELLS}`
FROM (
  SELECT key, arraySort(groupArray((toUInt32(position - 1), cell))) AS cells
  FROM (
    SELECT key, transform({name}, {known}, arrayEnumerate({known}), toUInt32(0)) AS position,
      if(min(is_text) = 0,
         toJSONString(groupArrayIf(number, NOT is_text)),
         toJSONString(groupArrayIf(text, is_text))) AS cell
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
