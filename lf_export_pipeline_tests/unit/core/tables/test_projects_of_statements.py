"""Whatever an export asks, it asks of its project; the one exception is listed here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline_tests.unit.core.tables.test_spans_and_scores import (
    compiled,
    request,
    statements,
)

TABLES = sorted(set(table_names()) - {"numbers"})
COMMENTED = {"traces", "observations", "events", "sessions"}
BY_COMMENTS: list[dict[str, Any]] = [
    {"type": "number", "column": "commentCount", "operator": ">=", "value": 1},
    {"type": "string", "column": "commentContent", "operator": "contains", "value": "x"},
]
BOOKMARKED = {"type": "boolean", "column": "bookmarked", "operator": "=", "value": True}
# Users belong to no project. Who was named by a row of the project is looked up by id, and of them
# a name is read and nothing else.
USERS_BY_ID = re.compile(r'SELECT id AS key, name AS "\w+" FROM users WHERE id = ANY\(:keys\)')


def asked(table: str, *, events: bool) -> Iterator[Statement]:
    """All statements, with and without filters that ask Postgres first."""
    plain = request(table, events=events)
    yield from statements(plain, compiled(plain))
    filters = [
        *(BY_COMMENTS if table in COMMENTED else []),
        *([BOOKMARKED] * (table == "sessions")),
    ]
    wanted = request(table, *filters, events=events)
    yield from table_source(table).preflight_queries(wanted, ExportLimits()).values()


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_every_statement_on_postgres_is_bound_to_the_project(table: str, *, events: bool) -> None:
    of_postgres = [each for each in asked(table, events=events) if each.store is Store.POSTGRES]
    assert of_postgres
    for statement in of_postgres:
        if not USERS_BY_ID.fullmatch(statement.sql):
            assert statement.params["project_id"] == "project"
            assert re.search(r"project_id = :project_id\b", statement.sql)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_every_statement_on_clickhouse_is_bound_to_the_project(table: str, *, events: bool) -> None:
    for statement in asked(table, events=events):
        if statement.store is not Store.POSTGRES:
            assert "project" in statement.params.values()


def test_names_of_users_are_the_only_exception() -> None:
    exceptions = {
        (table, each.sql)
        for table in TABLES
        for each in asked(table, events=False)
        if "project" not in each.params.values()
    }
    assert {table for table, _ in exceptions} == {"scores"}
    assert all(USERS_BY_ID.fullmatch(sql) for _, sql in exceptions)
