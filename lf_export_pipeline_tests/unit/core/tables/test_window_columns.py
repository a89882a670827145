"""By which time each table's rows are cut into windows, and that its filters know the name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lf_export_pipeline.core.parsing import compiled_unanswered, parse_request
from lf_export_pipeline.core.request.windowed_query import Window, windowed_query
from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline_tests.numbers_table import export_row

NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
DAY = Window(NOW - timedelta(days=1), NOW)
WRITTEN = {
    "audit_logs": "createdAt",
    "dataset_items": "Created At",
    "dataset_run_items": "Created At",
    "events": "Start Time",
    "observations": "Start Time",
    "scores": "Timestamp",
    "sessions": "Created At",
    "traces": "Timestamp",
}
"""As the pages of Langfuse call it, in their filters of time."""


def test_every_table_that_langfuse_exports_has_a_time() -> None:
    columns = {name: table_source(name).window_column for name in WRITTEN}

    assert {name: column.names[-1] for name, column in columns.items() if column} == WRITTEN
    assert set(WRITTEN) <= set(table_names())


@pytest.mark.parametrize("from_events", [False, True])
@pytest.mark.parametrize("table", sorted(WRITTEN))
def test_a_window_is_a_filter_that_the_table_takes(table: str, *, from_events: bool) -> None:
    column = table_source(table).window_column
    assert column is not None
    stored: dict[str, Any] = {"tableName": table, "filter": [], "orderBy": None}
    query = windowed_query(stored | {"useEventsTable": from_events}, column, DAY)

    found = compiled_unanswered(parse_request(export_row("a", query=query, created_at=NOW)))

    assert found.key_scan is not None
    bound = [str(value)[:19].replace("T", " ") for value in found.key_scan.params.values()]
    assert {"2031-03-19 12:00:00", "2031-03-20 12:00:00"} <= set(bound)
