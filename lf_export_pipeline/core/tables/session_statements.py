"""The key scan and the reading of a chunk for an export of sessions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lf_export_pipeline.core.query.compiler import compile_filters
from lf_export_pipeline.core.query.expressions import iso_time, json_text
from lf_export_pipeline.core.query.key_hash import keyed_hash
from lf_export_pipeline.core.query.key_scan import all_of, quoted
from lf_export_pipeline.core.query.newest_scores import newest_scores
from lf_export_pipeline.core.query.score_columns import SCORE_ALIAS, ScoreGroups
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.query.time_columns import compared
from lf_export_pipeline.core.request.filters import Filter
from lf_export_pipeline.core.request.model import ExportFormat, ExportRequest
from lf_export_pipeline.core.tables.session_filters import (
    filter_table,
    order_table,
    session_filters,
    session_rows,
)
from lf_export_pipeline.core.tables.session_reading import METRICS, SessionRows, SessionSource


def _as_javascript(cost: str) -> str:
    """The text that JavaScript gives a cost, which to Langfuse is the nearest double.

    The detour through JSON rounds once; a conversion of the decimal itself would round twice.
    """
    return f"replaceRegexpOne(toString(JSONExtractFloat(toString({cost}))), 'e([0-9])', 'e+\\\\1')"


def _costs(file_format: ExportFormat) -> dict[str, str]:
    """Sums of costs: where columns have types, as decimals with all their digits."""
    write = _as_javascript if file_format.is_text else "toString({})".format
    names = {"inputCost": "input_cost", "outputCost": "output_cost", "totalCost": "total_cost"}
    return {name: write(f"n.{column}") for name, column in names.items()}


_FIELDS = {
    "id": "n.id",
    "userIds": json_text("n.user_ids"),
    "countTraces": "toString(n.trace_count)",
    "sessionDuration": "toString(n.duration)",
    "totalTokens": "toString(n.total_tokens)",
    "traceTags": json_text("n.tags"),
    "createdAt": iso_time("n.created_at"),
    "totalCount": "toString(n.trace_count)",
}


_OF_METRICS = {"sessionDuration", "inputCost", "outputCost", "totalCost", "totalTokens"}
"""The columns that observations are added up for."""


def session_fields(file_format: ExportFormat) -> dict[str, str]:
    """What is read of sessions for all columns: Arrow field ← expression over ``n``."""
    return {**_FIELDS, **_costs(file_format)}


_NEWEST_FIRST = "n.created_at DESC"


@dataclass(frozen=True, slots=True)
class _Order:
    sql: str
    relation: str | None


@dataclass(frozen=True, slots=True)
class SessionReading:
    """The two statements of one request.

    ``bookmarked_ids`` are those of the project's bookmarked sessions; they need to be known only
    where a filter or the order is about them.
    """

    request: ExportRequest
    source: SessionSource
    filters: tuple[Filter, ...]
    bookmarked_ids: tuple[str, ...]

    def key_scan(self, row_limit: int) -> Statement:
        """The keys, with the range of each session's rows; only what is asked about is added up."""
        params = Params()
        table = filter_table(self.source, self.bookmarked_ids, params)
        filters = session_filters(self.filters, self.source)
        conditions = compile_filters(filters, table, params)
        order = self._order(params)
        rows = self._rows(params)
        sessions = self._sessions(params, rows, [order.relation, *(c.relation for c in conditions)])
        bound = self.source.bound
        cutoff = compared("n.created_at", ("<", self.request.created_at), params)
        sql = (
            f"SELECT {keyed_hash('n.id')} AS key, "
            f"{bound.text('n.first', 'n.beyond')} AS b0, "
            f"{bound.text('n.last', 'n.beyond')} AS b1\nFROM {sessions}\n"
            f"WHERE {all_of([cutoff, *(each.sql for each in conditions)])}\n"
            f"ORDER BY {order.sql}\nLIMIT {row_limit + 1}"
        )
        return Statement(store=self.source.store, sql=sql, params=params.values)

    def chunk_rows(self, fields: Mapping[str, str]) -> Statement:
        """Some of ``session_fields`` of the chunk's sessions, in the order of the scan."""
        params = Params()
        order = self._order(params)
        rows = self.source.of_chunk(self._rows(params))
        metrics = None if _OF_METRICS.isdisjoint(fields) else METRICS
        sessions = self._sessions(params, rows, [order.relation, metrics])
        columns = ", ".join(f"{value} AS {quoted(name)}" for name, value in fields.items())
        sql = f"SELECT {columns}\nFROM {sessions}\nORDER BY {order.sql}"
        return Statement(store=self.source.store, sql=sql, params=params.values)

    def _rows(self, params: Params) -> SessionRows:
        project = params.bind(self.request.project_id, "String")
        return session_rows(self.filters, self.source, self.bookmarked_ids, project, params)

    def _order(self, params: Params) -> _Order:
        """What the user ordered by, then the id; without a wish the youngest session is first."""
        wanted = self.request.query.order_by
        if wanted is None:
            return _Order(f"{_NEWEST_FIRST}, n.id", None)
        column = order_table(self.bookmarked_ids, params).order_column(wanted.column)
        return _Order(f"{column.expression} {wanted.order}, n.id", column.relation)

    def _sessions(self, params: Params, rows: SessionRows, relations: Iterable[str | None]) -> str:
        """The sessions ``n``, with their scores ``s`` where a condition or the order needs them."""
        project = params.bind(self.request.project_id, "String")
        parts = frozenset(each for each in relations if each is not None)
        sessions = f"({self.source.sessions(project, rows, parts - {SCORE_ALIAS})}) AS n"
        if SCORE_ALIAS not in parts:
            return sessions
        return f"{sessions}\nLEFT JOIN ({self._scores(project)}) AS s ON s.key = n.id"

    def _scores(self, project: str) -> str:
        """Langfuse: scores that name the session; texts are categories only beside spans."""
        scores = newest_scores(project, "session_id", "isNotNull(t.session_id)", ("session_id",))
        counted = "1" if self.source.store is Store.EVENTS else "data_type != 'TEXT'"
        return ScoreGroups(scores, "session_id", ("session_id",), counted).relation()
