"""Audit logs, from Postgres: one row per log entry, the youngest first.

Langfuse ignores filters, order and search. A filter that is ignored gives people rows they asked
not to get, so here filters on the exported columns are applied and all others refused. Order and
search stay without effect: the page has neither.
"""

from lf_export_pipeline.core.query.columns import ColumnType, Kind, OutputColumn
from lf_export_pipeline.core.query.postgres_dates import iso_instant
from lf_export_pipeline.core.query.postgres_filters import (
    PostgresColumn,
    PostgresFilters,
    PostgresType,
)
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.core.tables.postgres_reading import PostgresTable

_INSTANTS = ("createdAt", "updatedAt")
_STATES = ("before", "after")  # what was changed, as JSON
_COLUMN_OF = {
    "id": "t.id",
    "createdAt": "t.created_at",
    "updatedAt": "t.updated_at",
    "type": "CAST(t.type AS text)",
    "apiKeyId": "t.api_key_id",
    "userId": "t.user_id",
    "orgId": "t.org_id",
    "userOrgRole": "t.user_org_role",
    "projectId": "t.project_id",
    "userProjectRole": "t.user_project_role",
    "resourceType": "t.resource_type",
    "resourceId": "t.resource_id",
    "action": "t.action",
    "before": "t.before",
    "after": "t.after",
}

COLUMNS = tuple(
    OutputColumn(name=name, kind=Kind.QUOTED, type=ColumnType.INSTANT)
    if name in _INSTANTS
    else OutputColumn(name=name, type=ColumnType.PAYLOAD if name in _STATES else ColumnType.TEXT)
    for name in _COLUMN_OF
)

LOGS = PostgresTable(
    name="audit_logs",
    columns=COLUMNS,
    is_current="TRUE",
    order="t.created_at DESC",
    filters=PostgresFilters(
        "audit_logs",
        tuple(
            PostgresColumn(
                (name,), column, PostgresType.INSTANT if name in _INSTANTS else PostgresType.TEXT
            )
            for name, column in _COLUMN_OF.items()
        ),
    ),
    fields={
        name: iso_instant(column) if name in _INSTANTS else column
        for name, column in _COLUMN_OF.items()
    },
    long_columns=("t.before", "t.after"),
)

register(LOGS)
