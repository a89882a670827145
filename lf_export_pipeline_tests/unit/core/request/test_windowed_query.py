"""A stored query over a window: what takes the place of what."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.request.windowed_query import (
    Window,
    WindowColumn,
    window_of,
    windowed_query,
)

DAY = Window(datetime(2031, 3, 1, tzinfo=UTC), datetime(2031, 3, 2, tzinfo=UTC))
TIME = WindowColumn(("timestamp", "Timestamp"))
SESSIONS = WindowColumn(("createdAt", "Created At"), is_of_parts=True)
BEGIN = {"column": "Timestamp", "type": "datetime", "operator": ">=",
         "value": "2031-03-01T00:00:00.000Z"}  # fmt: skip
END = {**BEGIN, "operator": "<", "value": "2031-03-02T00:00:00.000Z"}
SLOW = {"type": "number", "column": "latency", "operator": ">", "value": 1}


def query(*filters: object, **others: object) -> dict[str, Any]:
    return {"tableName": "traces", "filter": list(filters), "orderBy": None, **others}


def test_the_window_is_half_open_and_the_users_other_filters_stay() -> None:
    found = windowed_query(query(SLOW), TIME, DAY)

    assert found == query(BEGIN, END, SLOW)


@pytest.mark.parametrize("name", ["timestamp", "Timestamp"])
@pytest.mark.parametrize("operator", [">", ">=", "<", "<="])
def test_every_range_of_time_that_the_user_chose_is_replaced(name: str, operator: str) -> None:
    chosen = {"column": name, "type": "datetime", "operator": operator, "value": 0}

    assert windowed_query(query(chosen, SLOW, chosen), TIME, DAY) == query(BEGIN, END, SLOW)


def test_what_is_about_another_time_stays() -> None:
    other = {"column": "endTime", "type": "datetime", "operator": "<", "value": 0}
    presence = {"column": "timestamp", "type": "null", "operator": "is not null", "value": ""}

    found = windowed_query(query(other, presence), TIME, DAY)

    assert found == query(BEGIN, END, other, presence)


def test_order_search_and_keys_that_nobody_knows_stay() -> None:
    others = {"searchQuery": "x", "searchType": ["id"], "useEventsTable": True, "limit": 50, "z": 1}

    assert windowed_query(query(**others), TIME, DAY) == query(BEGIN, END, **others)


def test_no_filters_are_a_list_with_the_window() -> None:
    assert windowed_query(query() | {"filter": None}, TIME, DAY) == query(BEGIN, END)


def test_a_session_stays_whole() -> None:
    """The first lower bound would leave out the traces before it."""
    first, second, _ = windowed_query(query(), SESSIONS, DAY)["filter"]

    assert (first["column"], first["operator"]) == ("Created At", ">=")
    assert first["value"] == "0001-01-01T00:00:00.000Z"
    assert second["value"] == "2031-03-01T00:00:00.000Z"


@pytest.mark.parametrize("column", [TIME, SESSIONS])
def test_the_window_can_be_read_back(column: WindowColumn) -> None:
    assert window_of(windowed_query(query(SLOW), column, DAY), column) == DAY


@pytest.mark.parametrize("stored", [None, "text", {}, query(), query(BEGIN), query({"type": 1}, 7)])
def test_where_there_is_none_none_is_read(stored: object) -> None:
    assert window_of(stored, TIME) is None


@pytest.mark.parametrize("stored", [None, "text", ["list"], 7])
def test_what_is_no_query_is_refused(stored: object) -> None:
    with pytest.raises(InvalidQueryError):
        windowed_query(stored, TIME, DAY)
