"""Items of datasets, from Postgres: the latest version of each, the one that changed last first.

Archived items are exported too. Langfuse: order and search of the request are ignored. Its older
way of reading, which a setting of the worker brings back and which exports all versions, is left
out.
"""

from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.postgres_dates import iso_instant
from lf_export_pipeline.core.query.postgres_filters import (
    PostgresColumn,
    PostgresFilters,
    PostgresType,
)
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.core.tables.postgres_reading import (
    PostgresTable,
    json_or_text,
)

COLUMNS = (
    OutputColumn(name="id"),
    OutputColumn(name="projectId"),
    OutputColumn(name="datasetId"),
    OutputColumn(name="sourceTraceId"),
    OutputColumn(name="sourceObservationId"),
    OutputColumn(name="status"),
    OutputColumn(name="createdAt", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="updatedAt", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="validFrom", kind=Kind.QUOTED, type=ColumnType.INSTANT),
    OutputColumn(name="input", kind=Kind.MAYBE_JSON, type=ColumnType.PAYLOAD),
    OutputColumn(name="expectedOutput", kind=Kind.MAYBE_JSON, type=ColumnType.PAYLOAD),
    OutputColumn(name="metadata", kind=Kind.MAYBE_JSON, type=ColumnType.PAYLOAD),
    OutputColumn(name="datasetName"),
    OutputColumn(name="htmlSourcePath"),
)

_SOURCE_PATH = """CASE WHEN coalesce(t.source_trace_id, '') = '' THEN ''
ELSE concat('/project/', t.project_id, '/traces/', t.source_trace_id,
            CASE WHEN t.source_observation_id <> ''
                 THEN concat('?observation=', t.source_observation_id) END)
END"""

_LATEST = """t.valid_to IS NULL AND NOT t.is_deleted AND NOT EXISTS (
  SELECT FROM dataset_items AS newer
  WHERE newer.project_id = t.project_id AND newer.id = t.id
  AND newer.valid_to IS NULL AND newer.valid_from > t.valid_from)"""

ITEMS = PostgresTable(
    name="dataset_items",
    columns=COLUMNS,
    is_current=_LATEST,
    order="t.valid_from DESC",
    filters=PostgresFilters(
        "dataset_items",
        (
            PostgresColumn(("datasetId", "Dataset ID"), "t.dataset_id"),
            PostgresColumn(("id", "Item ID"), "t.id"),
            PostgresColumn(("sourceTraceId", "Source Trace ID"), "t.source_trace_id"),
            PostgresColumn(
                ("sourceObservationId", "Source Observation ID"), "t.source_observation_id"
            ),
            PostgresColumn(("status", "Status"), "CAST(t.status AS text)"),
            PostgresColumn(("metadata", "Metadata"), "t.metadata", PostgresType.JSON),
            PostgresColumn(("createdAt", "Created At"), "t.created_at", PostgresType.INSTANT),
            PostgresColumn(("validFrom", "Valid From"), "t.valid_from", PostgresType.INSTANT),
        ),
    ),
    fields={
        "id": "t.id",
        "projectId": "t.project_id",
        "datasetId": "t.dataset_id",
        "sourceTraceId": "t.source_trace_id",
        "sourceObservationId": "t.source_observation_id",
        "status": "CAST(t.status AS text)",
        "createdAt": iso_instant("t.created_at"),
        "updatedAt": iso_instant("t.updated_at"),
        "validFrom": iso_instant("t.valid_from"),
        **json_or_text("t.input", "input"),
        **json_or_text("t.expected_output", "expectedOutput"),
        **json_or_text("t.metadata", "metadata"),
        "datasetName": "d.name",
        "htmlSourcePath": _SOURCE_PATH,
    },
    joins="LEFT JOIN datasets AS d ON d.id = t.dataset_id AND d.project_id = t.project_id",
    joined=("datasets",),
    long_columns=("t.input", "t.expected_output", "t.metadata"),
)

register(ITEMS)
