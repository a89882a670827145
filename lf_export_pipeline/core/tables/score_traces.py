"""What a score shows of its trace; filters and orders on the trace look at the same row.

Users of the events table see the trace as its spans tell it; the others see the table ``traces``.
Either may hold several rows about one trace. Langfuse repeats the score for each of them, or takes
any one; here it is one that satisfies the filters on the trace if any does, so that what was
filtered is what is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lf_export_pipeline.core.query.compiler import (
    FilterColumn,
    FilterTable,
    ValueType,
    compile_filters,
)
from lf_export_pipeline.core.query.export_query import Lookup, LookupScope
from lf_export_pipeline.core.query.expressions import json_text
from lf_export_pipeline.core.query.key_scan import NEWEST, Relation, all_of
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.request.filters import Filter
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables.event_reading import TRACE_NAME

ALIAS = "tr"
TRACE_ID = "trace_id"  # of a score: a column of its table, and what the key scan carries it as

TRACE_COLUMNS = (
    FilterColumn(
        ("traceName", "Trace Name"),
        f"{ALIAS}.name",
        ValueType.STRING,
        "traceName",
        "stringOptions",
        relation=ALIAS,
    ),
    FilterColumn(
        ("userId", "User ID"),
        f"{ALIAS}.user_id",
        ValueType.STRING,
        "userId",
        "stringOptions",
        nullable=True,
        relation=ALIAS,
    ),
    FilterColumn(
        ("trace_tags", "Trace Tags"), f"{ALIAS}.tags", ValueType.STRING_ARRAY, relation=ALIAS
    ),
)


@dataclass(frozen=True, slots=True)
class TraceSource:
    """Where the trace of a score is looked up."""

    store: Store
    table: str
    trace_id: str  # of a row ``t``
    values: tuple[str, str, str]  # name, user and tags of a row ``t``
    condition: str  # which rows tell of their trace
    preference: str  # of two rows that satisfy the filters, the one with the greater value is taken
    without_match: dict[str, str | None]  # the columns of a score whose trace is not there
    required: bool  # whether filters on the trace, negative ones too, leave out scores without one

    def relation(self, request: ExportRequest, scores: str, params: Params) -> Relation:
        """The traces of some scores; ``scores`` is ``FROM … WHERE …`` over ``t``."""
        return Relation(self._traces(request, scores, params), on=TRACE_ID)

    def lookup(self, request: ExportRequest, scores: str, params: Params) -> Lookup:
        """The columns ``traceName``, ``userId`` and ``traceTags`` of a chunk of scores."""
        sql = (
            "SELECT key, name AS traceName, user_id AS userId, "
            f"{json_text('tags')} AS traceTags FROM ({self._traces(request, scores, params)})"
        )
        return Lookup(
            key="traceId",
            scope=LookupScope.CHUNK,
            statement=Statement(store=self.store, sql=sql, params=params.values),
            defaults=self.without_match,
        )

    def _traces(self, request: ExportRequest, scores: str, params: Params) -> str:
        """A query ``key, name, user_id, tags`` with one row per trace."""
        project = params.bind(request.project_id, "String")
        wanted = f"ifNull({all_of(self._conditions(request.query.filter, params))}, 0)"
        return (
            "SELECT key, shown.1 AS name, shown.2 AS user_id, shown.3 AS tags FROM ("
            f"SELECT {self.trace_id} AS key, "
            f"argMax(tuple({', '.join(self.values)}), ({wanted}, {self.preference})) AS shown "
            f"FROM {self.table} AS t WHERE t.project_id = {project} AND {self.condition} "
            f"AND {self.trace_id} IN (SELECT t.{TRACE_ID} {scores}) GROUP BY key)"
        )

    def _conditions(self, filters: Sequence[Filter], params: Params) -> list[str]:
        columns = tuple(
            replace(column, expression=value, relation=None)
            for column, value in zip(TRACE_COLUMNS, self.values, strict=True)
        )
        table = FilterTable("scores", columns)
        about_trace = [each for each in filters if each.column in table]
        return [condition.sql for condition in compile_filters(about_trace, table, params)]


TRACES_TABLE = TraceSource(
    store=Store.CLICKHOUSE,
    table="traces",
    trace_id="t.id",
    values=("t.name", "t.user_id", "t.tags"),
    condition="1",  # Langfuse: the trace of a score is shown even when it is deleted
    preference=", ".join(NEWEST),
    without_match={"traceName": "", "userId": None, "traceTags": "[]"},
    required=False,
)

EVENTS_TABLE = TraceSource(
    store=Store.EVENTS,
    table="events_core",
    trace_id="t.trace_id",
    values=(f"ifNull({TRACE_NAME}, '')", "t.user_id", "t.tags"),
    condition=f"t.is_deleted = 0 AND isNotNull({TRACE_NAME})",
    # The row that is stored first: the one of all that Langfuse takes on an idle server.
    preference="-toInt64(t._part_index), -toInt64(t._part_offset)",
    without_match={"traceName": None, "userId": None, "traceTags": None},
    required=True,
)
