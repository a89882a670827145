"""The newest version of each score: which scores count, and how few rows are read for them.

Langfuse: CORRECTION scores are never exported.
"""

from collections.abc import Sequence

from lf_export_pipeline.core.query.key_scan import NEWEST, versions_of
from lf_export_pipeline.core.query.time_columns import TimeColumn

EXPORTED_TYPES = "'NUMERIC', 'BOOLEAN', 'CATEGORICAL', 'TEXT'"
"""The types of the scores that are exported, as a list in SQL."""

SCORE_TIME = TimeColumn("scores", "t.timestamp")

_ALWAYS = ("name", "data_type", "string_value", "value")
_NULLABLE_IDS = {"trace_id", "observation_id", "session_id"}
_TARGETS = ("trace_id", "session_id")
_OBSERVED = "observed"
_SAMPLE = 20_000
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
        f"WHERE counts AND data_type IN ({EXPORTED_TYPES})"
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
    return SCORE_TIME.unless_beyond(
        versions_of("scores", by_day, project, versions),
        versions_of("scores", _VERSION_KEY, project, versions),
        project,
    )


def _score_value(field: str) -> str:
    if field == _OBSERVED:
        return "isNotNull(t.observation_id)"
    return f"ifNull(t.{field}, '')" if field in _NULLABLE_IDS else f"t.{field}"
