"""Sessions from ``events_core``: spans carry the session, the user and the tags of their trace."""

from lf_export_pipeline.core.query.key_scan import Bound, all_of
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.query.time_columns import TimeColumn
from lf_export_pipeline.core.tables.session_reading import (
    COST_AND_USAGE,
    METADATA,
    METRICS,
    SessionRows,
    SessionSource,
)

_TIME = TimeColumn("events_core", "t.start_time")
_MINUTE = "toStartOfMinute(t.start_time)"
_LATEST = "(t.start_time, t.event_ts, t.span_id)"
_PARTS = {
    METRICS: (
        *(f"sum({expression}) AS {name}" for name, expression in COST_AND_USAGE.items()),
        "toNullable(dateDiff('millisecond', min(t.start_time), "
        "max(ifNull(t.end_time, t.start_time))) / 1000) AS duration",
    ),
    METADATA: (
        f"argMax(t.metadata_names, {_LATEST}) AS metadata_names",
        f"argMax(t.metadata_values, {_LATEST}) AS metadata_values",
    ),
}


def _sessions(project: str, rows: SessionRows, parts: frozenset[str]) -> str:
    """Langfuse: spans without a session have the empty text; so have spans without a user."""
    columns = [
        "t.session_id AS id",
        "min(t.start_time) AS created_at",
        f"min({_MINUTE}) AS first",
        f"max({_TIME.is_beyond}) AS beyond",
        f"max({_MINUTE}) AS last",
        "arraySort(groupUniqArrayIf(t.user_id, t.user_id != '')) AS user_ids",
        "uniqExact(t.trace_id) AS trace_count",
        "arraySort(groupUniqArrayArray(t.tags)) AS tags",
        "argMaxIf(toString(t.environment), t.event_ts, t.environment != '') AS environment",
        *(column for part in sorted(parts) for column in _PARTS[part]),
    ]
    conditions = all_of([*rows.own, *rows.box, *rows.chunk])
    return (
        f"SELECT {', '.join(columns)}\nFROM events_core AS t\n"
        f"WHERE t.project_id = {project} AND {conditions}\nGROUP BY t.session_id"
    )


SESSIONS_OF_EVENTS = SessionSource(
    store=Store.EVENTS,
    has_session="t.session_id != ''",
    time=_TIME,
    bound=Bound(_MINUTE, "DateTime('UTC')"),
    sessions=_sessions,
)
