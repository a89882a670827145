"""Days that a server takes too long for are asked for in parts."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from lf_export_pipeline.core.errors import TimeLimitError
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.lake.fingerprints import Observer
from lf_export_pipeline.lake.tables import LAKE_TABLES

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DAYS = [f"2026-11-{day:02d}" for day in range(1, 21)]


class SlowServer:
    """Answers for so many days at most."""

    def __init__(self, days_max: int) -> None:
        self.days_max = days_max
        self.answered = 0

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        if "system.columns" in statement.sql:
            return [(name, False) for name in ("id", "timestamp", "event_ts", "project_id")]
        first, end = (str(value)[:10] for value in statement.params.values())
        asked = [day for day in DAYS if first <= day < end]
        if len(asked) > self.days_max:
            raise TimeLimitError("ClickHouse", "LF_EXPORT_CLICKHOUSE_QUERY_SECONDS")
        self.answered += 1
        return [("p", day, 1, 1, "1") for day in asked]


def observed(server: SlowServer) -> list[str]:
    reader: Any = SimpleNamespace(rows=server.rows)
    found = Observer(reader, NOW).of(LAKE_TABLES["traces"], DAYS)
    return sorted(place.day for place in found)


@pytest.mark.parametrize(("days_max", "questions"), [(20, 1), (10, 2), (5, 4), (1, 20)])
def test_all_days_are_there_whatever_the_server_can_take(days_max: int, questions: int) -> None:
    server = SlowServer(days_max)
    assert observed(server) == DAYS
    assert server.answered == questions


def test_a_day_that_is_too_much_is_an_error() -> None:
    with pytest.raises(TimeLimitError):
        observed(SlowServer(0))
