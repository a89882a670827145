"""The names of a project's scores, each of which is a column, and how many scores there are."""

from datetime import datetime, timedelta

from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.query.export_query import Answers
from lf_export_pipeline.core.query.newest_scores import EXPORTED_TYPES, SCORE_TIME
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.query.time_columns import compared
from lf_export_pipeline.core.request.admission import (
    CELL_BYTES,
    SCORE_COLUMNS_MAX_BYTES,
    ExportLimits,
    require_bounded_score_names,
)
from lf_export_pipeline.core.request.js_dates import earlier

NAMES_ANSWER = "score_names"
COUNT_ANSWER = "score_count"
NAMES_LOOKBACK = timedelta(hours=1)
FEW_SCORES = 100_000

_DATA_TYPE = "if(t.data_type = 'BOOLEAN' AND t.value NOT IN (0, 1), 'NUMERIC', t.data_type)"
"""Nothing keeps a score that is said to be true or false from another value."""


def shown_name(name: str) -> str:
    """The expression of a score's name as people see it: what is no UTF-8 in it becomes U+FFFD.

    One such name is that with the escape of half a character: JSON may hold it, and ClickHouse
    stores it as bytes that are no text.
    """
    return f"toValidUTF8({name})"


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
    know that they are too long together. Names that are shown alike are one column, as in Langfuse.

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
        f"t.data_type IN ({EXPORTED_TYPES})",
    ]
    if time_from is not None:
        recent = (">=", earlier(time_from, NAMES_LOOKBACK))
        conditions.append(SCORE_TIME.condition([recent], project, params))
    scores = f"FROM scores AS t WHERE {' AND '.join(conditions)}"
    stored, columns, types = f"SELECT DISTINCT t.name AS stored {scores}", "", ""
    if with_types:
        types = ", types"
        columns = ", arrayStringConcat(groupUniqArrayArray(stored_types), ',') AS types"
        stored = (
            f"SELECT t.name AS stored, groupUniqArray({_DATA_TYPE}) AS stored_types "
            f"{scores} GROUP BY stored"
        )
    found = f"SELECT {shown_name('stored')} AS name{columns} FROM ({stored}) GROUP BY name"
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
