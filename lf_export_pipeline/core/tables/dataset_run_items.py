"""Items of dataset runs, from ``dataset_run_items_rmt``."""

from collections.abc import Mapping
from dataclasses import replace

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, ValueType
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup, LookupScope
from lf_export_pipeline.core.query.expressions import iso_time
from lf_export_pipeline.core.query.key_scan import (
    Bound,
    ChunkRows,
    KeyScan,
    Relation,
    VersionedTable,
    quoted,
    row_size_sample,
)
from lf_export_pipeline.core.query.score_columns import SCORE_ALIAS, scores_of_traces
from lf_export_pipeline.core.query.selection import ScanPredicates, select
from lf_export_pipeline.core.query.statement import Params, Statement, Store, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables import NoPreflight, register

RUN_ITEMS = VersionedTable(
    name="dataset_run_items_rmt",
    store=Store.CLICKHOUSE,
    identity="t.id",
    time="t.created_at",
    sorting_key=("t.dataset_id", "t.dataset_run_id", "t.id"),
    bounds=(Bound("t.dataset_id", "String"), Bound("t.dataset_run_id", "String")),
)

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="projectId"),
    OutputColumn(name="datasetItemId"),
    OutputColumn(name="traceId"),
    OutputColumn(name="observationId"),
    OutputColumn(name="createdAt", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="updatedAt", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="datasetName"),
)

_FIELDS = {
    "id": "t.id",
    "projectId": "t.project_id",
    "datasetItemId": "t.dataset_item_id",
    "traceId": "t.trace_id",
    "observationId": "t.observation_id",
    "createdAt": iso_time("t.created_at"),
    "updatedAt": iso_time("t.updated_at"),
    "datasetId": "t.dataset_id",  # for the lookup of its name
}
_TIES = ("datasetId", "id")
_ORDER = {
    "#created_at": "t.created_at",
    "#event_ts": "t.event_ts",
    "#run_id": "t.dataset_run_id",
}

_DATASET_NAMES = """
SELECT id AS key, name AS "datasetName"
FROM datasets WHERE project_id = :project_id AND id = ANY(:keys)
"""


def _text(names: tuple[str, ...], column: str) -> FilterColumn:
    return FilterColumn(names, f"t.{column}", ValueType.STRING)


def _scores_column(names: tuple[str, ...], column: str, value_type: ValueType) -> FilterColumn:
    expression = f"{SCORE_ALIAS}.{column}"
    return FilterColumn(names, expression, value_type, names[0], relation=SCORE_ALIAS)


FILTER_TABLE = FilterTable(
    "dataset_run_items",
    (
        _text(("datasetRunId", "Dataset Run ID"), "dataset_run_id"),
        FilterColumn(("createdAt", "Created At"), RUN_ITEMS.time, ValueType.DATETIME),
        FilterColumn(("eventTs", "Event Timestamp"), "t.event_ts", ValueType.DATETIME),
        _text(("datasetItemId", "Dataset Item ID"), "dataset_item_id"),
        _text(("datasetId", "Dataset"), "dataset_id"),
        _scores_column(
            ("agg_scores_avg", "Scores (numeric)"), "score_numbers", ValueType.SCORE_NUMBERS
        ),
        _scores_column(
            ("agg_score_categories", "Scores (categorical)"),
            "score_categories",
            ValueType.SCORE_CATEGORIES,
        ),
        _scores_column(
            ("agg_score_booleans", "Scores (boolean)"), "score_booleans", ValueType.SCORE_BOOLEANS
        ),
    ),
)


class DatasetRunItems(NoPreflight):
    """The latest item of each dataset item in each run, youngest first.

    Langfuse: filters come before the choice of the latest, which is made by creation, then by
    event; order and search of the request are ignored. Different: an item's stale versions do not
    count, and deleted items are not exported.
    """

    name = "dataset_run_items"
    reads = (
        *stored_in(Store.CLICKHOUSE, "dataset_run_items_rmt", "scores"),
        *stored_in(Store.POSTGRES, "datasets"),
    )
    columns = COLUMNS
    window_column = WindowColumn(FILTER_TABLE.names_of(RUN_ITEMS.time))

    def compile(
        self,
        request: ExportRequest,
        answers: Answers,  # noqa: ARG002 - nothing was asked
        limits: ExportLimits,
    ) -> ExportQuery:
        """Reads by dataset and run."""
        chosen = chosen_columns(request, COLUMNS, [_dataset_names(request.project_id)])
        fields = chosen.fields(_FIELDS, order=_TIES)
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            key_scan=_key_scan(request, limits),
            chunk_rows=_chunk_rows(request.project_id, fields),
            sample=row_size_sample(RUN_ITEMS, request.project_id, list(fields.values())),
            lookups=chosen.lookups,
            row_limit=limits.row_limit,
            source=RUN_ITEMS.row_source,
        )


def _key_scan(request: ExportRequest, limits: ExportLimits) -> Statement:
    params = Params()
    project = params.bind(request.project_id, "String")
    filters = request.query.filter
    selection = select(filters, FILTER_TABLE, RUN_ITEMS.time_column, request, params)
    scan = KeyScan(
        table=RUN_ITEMS,
        project=project,
        selection=selection,
        carried={
            "trace_id": "t.trace_id",
            "item_id": "t.dataset_item_id",
            "created_at": "t.created_at",
            "event_ts": "t.event_ts",
        },
        relations=_relations(project, selection),
        order=("n.created_at DESC", "n.event_ts DESC"),
        one_by=("n.k0", "n.k1", "n.item_id"),
        row_limit=limits.row_limit,
    )
    return scan.statement(params)


def _relations(project: str, selection: ScanPredicates) -> dict[str, Relation]:
    if SCORE_ALIAS not in selection.relations:
        return {}
    traces = (
        f"SELECT t.trace_id FROM {RUN_ITEMS.name} AS t WHERE t.project_id = {project} "
        f"AND {selection.time_range}"
    )
    among = traces if selection.is_bounded else None
    scores = scores_of_traces(project, among, "trace_id", ("trace_id",))
    of_traces = replace(scores, condition="data_type != 'TEXT'")
    return {SCORE_ALIAS: Relation(of_traces.relation(), on="trace_id")}


def _chunk_rows(project_id: str, fields: Mapping[str, str]) -> Statement:
    """The newest version of each item is found first, only then the order of the file is made."""
    params = Params()
    project = params.bind(project_id, "String")
    newest = ChunkRows(RUN_ITEMS, project, {**fields, **_ORDER}).statement(params)
    sql = (
        f"SELECT * EXCEPT ({', '.join(quoted(name) for name in _ORDER)}) FROM ({newest.sql})\n"
        "ORDER BY `#created_at` DESC, `#event_ts` DESC, datasetId, `#run_id`, id"
    )
    return newest.model_copy(update={"sql": sql})


def _dataset_names(project_id: str) -> Lookup:
    statement = Statement(
        store=Store.POSTGRES, sql=_DATASET_NAMES, params={"project_id": project_id}
    )
    return Lookup(
        key="datasetId",
        scope=LookupScope.BATCH,
        statement=statement,
        defaults={"datasetName": "Unknown"},
    )


register(DatasetRunItems())
