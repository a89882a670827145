"""Scores, one row each, with what they show of their trace and of their author."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.compiler import FilterColumn
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup
from lf_export_pipeline.core.query.expressions import iso_time, metadata_map
from lf_export_pipeline.core.query.key_scan import (
    Bound,
    ChunkRows,
    KeyScan,
    Relation,
    VersionedTable,
    quoted,
    reordered,
    row_size_sample,
)
from lf_export_pipeline.core.query.lookups import user_names_lookup
from lf_export_pipeline.core.query.newest_scores import EXPORTED_TYPES
from lf_export_pipeline.core.query.selection import ScanPredicates, select
from lf_export_pipeline.core.query.statement import Params, Statement, Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables import NoPreflight, register
from lf_export_pipeline.core.tables.score_filters import FILTER_TABLE
from lf_export_pipeline.core.tables.score_traces import (
    ALIAS,
    EVENTS_TABLE,
    TRACE_ID,
    TRACES_TABLE,
    TraceSource,
)

SCORES = VersionedTable(
    name="scores",
    store=Store.CLICKHOUSE,
    identity="t.id",
    time="t.timestamp",
    sorting_key=("toDate(t.timestamp)", "t.name", "t.id"),
    bounds=(
        Bound("toDate(t.timestamp)", "Date"),
        Bound("t.name", "String"),
        Bound("t.id", "String"),
    ),
)

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="traceId"),
    OutputColumn(name="sessionId"),
    OutputColumn(name="datasetRunId"),
    OutputColumn(name="timestamp", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="source"),
    OutputColumn(name="name"),
    OutputColumn(name="dataType"),
    OutputColumn(name="value", kind=Kind.DOUBLE, type=ColumnType.DOUBLE),
    OutputColumn(name="stringValue", type=ColumnType.PAYLOAD),
    OutputColumn(name="comment", type=ColumnType.PAYLOAD),
    OutputColumn(name="metadata", kind=Kind.JSON, type=ColumnType.JSON_MAP),
    OutputColumn(name="observationId"),
    OutputColumn(name="traceName"),
    OutputColumn(name="userId"),
    OutputColumn(name="traceTags", kind=Kind.JSON, type=ColumnType.TEXTS),
    OutputColumn(name="environment"),
    OutputColumn(name="authorUserName"),
)

_AUTHOR = "#author"
_FIELDS = {
    "id": "t.id",
    "traceId": "t.trace_id",
    "sessionId": "t.session_id",
    "datasetRunId": "t.dataset_run_id",
    "timestamp": iso_time("t.timestamp"),
    "source": "t.source",
    "name": "t.name",
    "dataType": "t.data_type",
    "value": "if(isFinite(t.value), toString(t.value), NULL)",
    "stringValue": "if(t.data_type = 'NUMERIC', NULL, t.string_value)",
    "comment": "t.comment",
    "observationId": "t.observation_id",
    "environment": "toString(t.environment)",
    _AUTHOR: "t.author_user_id",
}

_WIDE_COLUMNS = ("t.comment", "t.metadata", "t.string_value")
_ORDERED_BY = "ordered_by"
_ORDER, _DAY = "#order", "#day"
_EXPORTED = f"t.data_type IN ({EXPORTED_TYPES})"


class Scores(NoPreflight):
    """One row per score, its newest version, in the order of the UI. It has no search."""

    name = "scores"
    reads = (
        *stored_in(Store.CLICKHOUSE, "scores", "traces"),
        *stored_in(Store.EVENTS, "events_core"),
        *stored_in(Store.POSTGRES, "users"),
    )
    columns = COLUMNS
    window_column = WindowColumn(FILTER_TABLE.names_of(SCORES.time))

    def compile(
        self,
        request: ExportRequest,
        answers: Answers,  # noqa: ARG002
        limits: ExportLimits,
    ) -> ExportQuery:
        """Reads by day, name and id, or as the user ordered the table."""
        reading = _Reading(
            request, EVENTS_TABLE if request.query.use_events_table else TRACES_TABLE
        )
        lookups = (reading.trace_lookup(), user_names_lookup("authorUserName", _AUTHOR))
        chosen = chosen_columns(request, COLUMNS, lookups)
        fields = chosen.fields(reading.fields(), order=reading.ties)
        wide = chosen.sampled(_WIDE_COLUMNS, fields)
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            key_scan=reading.key_scan(limits),
            chunk_rows=reading.chunk_rows(fields),
            sample=row_size_sample(reading.table, request.project_id, wide),
            lookups=chosen.lookups,
            row_limit=limits.row_limit,
            source=reading.table.row_source,
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """The statements of one export."""

    request: ExportRequest
    traces: TraceSource

    @property
    def table(self) -> VersionedTable:
        """The scores of the server that knows the traces: replicas need not agree."""
        return replace(SCORES, store=self.traces.store)

    def key_scan(self, limits: ExportLimits) -> Statement:
        params = Params()
        project = params.bind(self.request.project_id, "String")
        selection = self._selection(params)
        order = self._order_column
        by_trace = order is not None and order.relation is not None
        carried = {TRACE_ID: "t.trace_id"}
        if order is not None and not by_trace:
            carried[_ORDERED_BY] = order.expression
        rows = _rows(f"t.project_id = {project} AND {selection.time_range}")
        scan = KeyScan(
            table=self.table,
            project=project,
            selection=selection,
            carried=carried,
            relations=self._relations(rows, params) if selection.relations or by_trace else {},
            order=self._order(order.expression if order and by_trace else f"n.{_ORDERED_BY}"),
            row_limit=limits.row_limit,
        )
        return scan.statement(params)

    def fields(self) -> dict[str, str]:
        keys, values = "mapKeys(t.metadata)", "mapValues(t.metadata)"
        return {**_FIELDS, "metadata": metadata_map(self.request.format, keys, values)}

    @property
    def ties(self) -> tuple[str, ...]:
        """The fields that rows are ordered by where the user's order leaves it open."""
        return () if self._order_column is None else ("name", "id")

    def chunk_rows(self, own: Mapping[str, str]) -> Statement:
        params = Params()
        project = params.bind(self.request.project_id, "String")
        order = self._order_column
        if order is None:
            return ChunkRows(self.table, project, own).statement(params)
        fields = {**own, _ORDER: order.expression, _DAY: SCORES.sorting_key[0]}
        chunk = _rows(SCORES.chunk(project))
        traces = self._relations(chunk, params) if order.relation else {}
        rows = ChunkRows(self.table, project, fields, relations=traces).statement(params)
        ties = (quoted(_DAY), *self.ties)  # the sorting key, as in the scan
        return reordered(rows, (*self._order(quoted(_ORDER)), *ties), (_ORDER, _DAY))

    def trace_lookup(self) -> Lookup:
        params = Params()
        project = params.bind(self.request.project_id, "String")
        return self.traces.lookup(self.request, _rows(SCORES.chunk(project)), params)

    @property
    def _order_column(self) -> FilterColumn | None:
        wanted = self.request.query.order_by
        return FILTER_TABLE.order_column(wanted.column) if wanted else None

    def _order(self, expression: str) -> list[str]:
        """The user's order by an expression for the column; the sorting key follows for ties."""
        wanted = self.request.query.order_by
        return [f"{expression} {wanted.order}"] if wanted else []

    def _relations(self, scores: str, params: Params) -> dict[str, Relation]:
        return {ALIAS: self.traces.relation(self.request, scores, params)}

    def _selection(self, params: Params) -> ScanPredicates:
        filters = self.request.query.filter
        found = select(filters, FILTER_TABLE, SCORES.time_column, self.request, params)
        with_trace = self.traces.required and ALIAS in found.relations
        return replace(
            found,
            row=(_EXPORTED, *found.row),
            late=(*found.late, f"notEmpty({ALIAS}.key)") if with_trace else found.late,
        )


def _rows(condition: str) -> str:
    return f"FROM {SCORES.name} AS t WHERE {condition}"


register(Scores())
