"""A made-up table in one file: who caused which trace. It is found where a test says so."""

from collections.abc import Mapping

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import OutputColumn
from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, ValueType
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery
from lf_export_pipeline.core.query.key_scan import ChunkRows, KeyScan, row_size_sample
from lf_export_pipeline.core.query.selection import select
from lf_export_pipeline.core.query.statement import Params, Statement, Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.core.tables.traces import TRACES

FILTER_TABLE = FilterTable(
    "trace_users", (FilterColumn(("user",), "t.user_id", ValueType.STRING, nullable=True),)
)


class TraceUsers:
    """One row per trace."""

    name = "trace_users"
    reads = stored_in(Store.CLICKHOUSE, "traces")
    columns = (OutputColumn(name="id"), OutputColumn(name="user"))
    has_score_columns = False
    window_column = None  # no filter names the time

    def preflight_queries(
        self, _request: ExportRequest, _limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """Nothing needs to be known first."""
        return {}

    def compile(
        self, request: ExportRequest, _answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """Two columns, one filter, no lookups."""
        scan, rows = Params(), Params()
        selected = select(request.query.filter, FILTER_TABLE, TRACES.time_column, request, scan)
        project = scan.bind(request.project_id, "String")
        keys = KeyScan(TRACES, project, selected, row_limit=limits.row_limit)
        chosen = chosen_columns(request, self.columns, lookups=())
        fields = chosen.fields({"id": "t.id", "user": "t.user_id"})
        chunk = ChunkRows(TRACES, rows.bind(request.project_id, "String"), fields)
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            key_scan=keys.statement(scan),
            chunk_rows=chunk.statement(rows),
            sample=row_size_sample(TRACES, request.project_id, list(fields.values())),
            row_limit=limits.row_limit,
            source=TRACES.row_source,
        )


register(TraceUsers())
