"""Sessions from the tables ``traces`` and ``observations``."""

from collections.abc import Mapping

from lf_export_pipeline.core.query.key_scan import NEWEST, Bound, all_of, versions_of
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.query.time_columns import TimeColumn
from lf_export_pipeline.core.tables.session_reading import (
    COST_AND_USAGE,
    METRICS,
    SessionRows,
    SessionSource,
    sums,
)

_TIME = TimeColumn("traces", "t.timestamp")
_DAY = "toDate(t.timestamp)"
_TRACE_FIELDS = {
    "session_id": "t.session_id",
    "timestamp": "t.timestamp",
    "user_id": "t.user_id",
    "tags": "t.tags",
    "environment": "toString(t.environment)",
}
_OBSERVATION_FIELDS = {
    "trace_id": "t.trace_id",
    "start_time": "t.start_time",
    "end_time": "t.end_time",
    **COST_AND_USAGE,
}
_STORED_FIRST = "argMin({values}, (t._part_index, t._part_offset))"
_NEWEST = f"argMax({{values}}, ({', '.join(NEWEST)}))"

_DURATION = (
    "if(max(o.observations) = 0, NULL, dateDiff('millisecond', "
    "minIf(o.first_start, o.observations > 0), "
    "maxIf(o.last_end, o.observations > 0)) / 1000) AS duration"
)
"""Seconds, NULL without observations: a trace without any joins to instants of 1970."""


def _sessions(project: str, rows: SessionRows, parts: frozenset[str]) -> str:
    """Langfuse: the empty text is a session like any other, NULL is none; users may be ''."""
    columns = [
        "assumeNotNull(t.session_id) AS id",
        "min(t.timestamp) AS created_at",
        f"min({_DAY}) AS first",
        f"max({_DAY}) AS last",
        f"max({_TIME.is_beyond}) AS beyond",
        "arraySort(groupUniqArray(t.user_id)) AS user_ids",
        "count() AS trace_count",
        "arraySort(groupUniqArrayArray(t.tags)) AS tags",
        "argMax(t.environment, (t.timestamp, t.key)) AS environment",
    ]
    joined = ""
    if METRICS in parts:
        joined = f"LEFT JOIN ({_observation_totals(project, rows)}) AS o ON o.key = t.key"
        columns += [sums("o"), _DURATION]
    return (
        f"SELECT {', '.join(columns)}\nFROM ({_traces(project, rows)}) AS t\n{joined}\n"
        "GROUP BY t.session_id"
    )


def _traces(project: str, rows: SessionRows) -> str:
    """One version of each trace. For a chunk, a trace may have been in another session before.

    Where the version lies is not asked: merging changes which one of a trace's is the first, and a
    session must not vanish because that one is of another day than the one of the scan.
    """
    where = f"t.project_id = {project} AND {all_of(rows.own)}"
    if rows.chunk:
        where += f" AND t.id IN ({_trace_ids(project, rows)})"
    version = _one_version("traces", _TRACE_FIELDS, _STORED_FIRST, where)
    return f"SELECT * FROM ({version}) AS t WHERE {all_of(rows.chunk)}"


def _observation_totals(project: str, rows: SessionRows) -> str:
    """What the observations of a trace add up to, by trace (``key``); there may be other traces.

    An observation counts for the trace that its newest version names.
    """
    meant = f"{all_of(rows.observations)} AND t.trace_id IN ({_trace_ids(project, rows)})"
    versions = versions_of("observations", "cityHash64(t.id)", project, meant)
    where = f"t.project_id = {project} AND {versions}"
    version = _one_version("observations", _OBSERVATION_FIELDS, _NEWEST, where)
    return (
        "SELECT t.trace_id AS key, count() AS observations, min(t.start_time) AS first_start, "
        f"max(ifNull(t.end_time, t.start_time)) AS last_end, {sums('t')}\n"
        f"FROM ({version}) AS t WHERE {all_of(rows.observations)} GROUP BY t.trace_id"
    )


def _trace_ids(project: str, rows: SessionRows) -> str:
    conditions = all_of([*rows.own, *rows.box, *rows.chunk])
    return f"SELECT t.id FROM traces AS t WHERE t.project_id = {project} AND {conditions}"


def _one_version(table: str, fields: Mapping[str, str], choice: str, where: str) -> str:
    """One version of each row, by its id (``key``), with the fields under their names."""
    chosen = choice.format(values=f"tuple({', '.join(fields.values())})")
    unpacked = ", ".join(f"v.{at} AS {name}" for at, name in enumerate(fields, start=1))
    return (
        f"SELECT key, {unpacked} FROM (\n"
        f"SELECT t.id AS key, {chosen} AS v FROM {table} AS t WHERE {where} GROUP BY t.id)"
    )


SESSIONS_OF_TRACES = SessionSource(
    store=Store.CLICKHOUSE,
    has_session="isNotNull(t.session_id)",
    time=_TIME,
    bound=Bound(_DAY, "Date"),
    sessions=_sessions,
)
