"""Filters on sessions: each is applied to either source, or refused with a sentence."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline_tests.exporting import Project, where
from lf_export_pipeline_tests.integration.core.tables.test_sessions import (
    SOURCES,
    add_call,
    add_trace,
    at,
    sessions,
)

pytestmark = [pytest.mark.services, pytest.mark.sampled]


@pytest.fixture
def three(project: Project) -> Project:
    """Three sessions: one bookmarked and commented on, one that is not, one unknown to Postgres."""
    for day, name in enumerate(("starred", "plain", "unknown"), start=1):
        add_trace(project, f"trace {name}", name, day=day, user_id=f"u{day}", tags=[name])
    project.add_to_postgres(
        "trace_sessions",
        {"id": "starred", "bookmarked": True},
        {"id": "plain", "bookmarked": False, "public": True},
    )
    comment = {"id": f"{project.id}-c", "object_type": "SESSION", "content": "a bug"}
    project.add_to_postgres("comments", {**comment, "object_id": "starred"})
    return project


def found(project: Project, from_events: bool, *filters: Any) -> set[str]:
    return set(sessions(project, from_events, *filters))


@SOURCES
@pytest.mark.parametrize("column", ["bookmarked", "⭐️"])
@pytest.mark.parametrize("operator", ["=", "<>"])
@pytest.mark.parametrize("value", [True, False])
def test_bookmarks_are_looked_up(
    three: Project, column: str, operator: str, value: bool, from_events: bool
) -> None:
    wants_starred = value is (operator == "=")
    expected = {"starred"} if wants_starred else {"plain", "unknown"}
    assert found(three, from_events, where(column, "boolean", operator, value)) == expected


@SOURCES
def test_every_filter_on_bookmarks_counts(three: Project, from_events: bool) -> None:
    both = [where("bookmarked", "boolean", "=", value) for value in (True, False)]
    assert not found(three, from_events, *both)


@SOURCES
def test_without_bookmarks_a_filter_for_them_finds_nothing(
    project: Project, from_events: bool
) -> None:
    add_trace(project, "a", "s")
    assert not found(project, from_events, where("bookmarked", "boolean", "=", True))
    assert found(project, from_events, where("bookmarked", "boolean", "=", False)) == {"s"}


@SOURCES
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([where("commentCount", "number", ">=", 1)], {"starred"}),
        ([where("Comment Count", "number", "=", 0)], {"plain", "unknown"}),
        ([where("Comment Content", "string", "contains", "bugs")], {"starred"}),
        ([where("commentCount", "number", ">", 5)], set()),
        ([where("id", "stringOptions", "any of", ["plain", "unknown"])], {"plain", "unknown"}),
        ([where("ID", "string", "ends with", "n")], {"plain", "unknown"}),
        ([where("ID", "string", "does not contain", "n")], {"starred"}),
        ([where("id", "null", "is null", "")], set()),
        ([where("User IDs", "arrayOptions", "any of", ["u1", "u3"])], {"starred", "unknown"}),
        ([where("traceTags", "arrayOptions", "none of", ["plain"])], {"starred", "unknown"}),
        ([where("Traces Count", "number", "=", 1)], {"starred", "plain", "unknown"}),
        ([where("countTraces", "number", ">", 1)], set()),
        ([where("createdAt", "datetime", "<", "2031-03-02T12:00:00Z")], {"starred"}),
        ([where("Created At", "datetime", ">=", "2031-03-02T12:00:00Z")], {"plain", "unknown"}),
        (
            [where("createdAt", "datetime", ">", "-200000-01-01T00:00:00Z")],
            {"starred", "plain", "unknown"},
        ),
    ],
)
def test_filters_are_applied(
    three: Project, filters: list[Any], expected: set[str], from_events: bool
) -> None:
    assert found(three, from_events, *filters) == expected


@SOURCES
def test_with_a_lower_bound_a_session_begins_there(project: Project, from_events: bool) -> None:
    for day, cost in ((1, 100), (5, 20), (6, 3)):
        add_trace(project, f"day {day}", "s", day=day, user_id=f"u{day}")
        add_call(project, f"o{day}", f"day {day}", "s", cost_details={"total": cost})
    since = where("createdAt", "datetime", ">=", "2031-03-04T00:00:00Z")
    row = sessions(project, False, since)["s"]
    assert (row["countTraces"], row["userIds"]) == (2, ["u5", "u6"])
    assert row["createdAt"] == at(0, day=5)
    assert row["totalCost"] == "0"  # its observations began on the first day, too long before
    later = where("createdAt", "datetime", ">=", "2031-03-10T00:00:00Z")
    assert not sessions(project, from_events, later)


def test_spans_shortly_before_a_lower_bound_keep_a_session_out(project: Project) -> None:
    for day in (3, 5):
        add_trace(project, f"near {day}", "near", day=day)
    for day in (1, 5):
        add_trace(project, f"far {day}", "far", day=day)
    since = where("createdAt", "datetime", ">", "2031-03-05T00:00:00Z")
    assert found(project, True, since) == {"far"}


def test_an_environment_restricts_the_traces_that_a_session_is_made_of(project: Project) -> None:
    add_trace(project, "a", "s", environment="staging")
    add_trace(project, "b", "s", environment="production", day=2)
    add_trace(project, "c", "other", environment="production")
    staging = where("environment", "stringOptions", "any of", ["staging"])
    for chunk_rows in (1, 10):
        rows = sessions(project, False, staging, chunk_rows=chunk_rows)
        assert {name: row["countTraces"] for name, row in rows.items()} == {"s": 1}


def test_a_session_of_spans_has_the_environment_that_was_told_last(project: Project) -> None:
    add_trace(project, "a", "s", environment="staging", event_ts=at(1))
    add_trace(project, "b", "s", environment="production", event_ts=at(2))
    for environment, expected in (("staging", set()), ("production", {"s"})):
        chosen = where("Environment", "stringOptions", "any of", [environment])
        assert found(project, True, chosen) == expected


@SOURCES
def test_durations_are_filtered_in_seconds_as_they_are_exported(
    project: Project, from_events: bool
) -> None:
    for name, end in (("short", 1.5), ("long", 90)):
        add_trace(project, name, name)
        add_call(project, f"o {name}", name, name, end=end)
    add_trace(project, "none", "none")
    for column in ("sessionDuration", "Session Duration", "Session Duration (s)"):
        assert found(project, from_events, where(column, "number", "=", 1.5)) == {"short"}
        assert found(project, from_events, where(column, "number", ">", 89)) == {"long"}
    missing = found(project, from_events, where("sessionDuration", "null", "is null", ""))
    assert missing == (set() if from_events else {"none"})


@SOURCES
def test_scores_count_only_where_they_name_the_session(project: Project, from_events: bool) -> None:
    for name in ("good", "bad", "of trace"):
        add_trace(project, name, name)
    project.add(
        "scores",
        {"id": "1", "session_id": "good", "name": "n", "value": 0.9},
        {"id": "2", "session_id": "bad", "name": "n", "value": 0.1},
        {"id": "3", "trace_id": "of trace", "name": "n", "value": 0.9},
        {"id": "4", "session_id": "good", "name": "c", "data_type": "CATEGORICAL"}
        | {"string_value": "yes"},
        {"id": "5", "session_id": "bad", "name": "b", "data_type": "BOOLEAN", "value": 1}
        | {"string_value": "True"},
        {"id": "6", "session_id": "bad", "name": "t", "data_type": "TEXT", "string_value": "words"},
    )
    high = where("scores_avg", "numberObject", ">", 0.5, key="n")
    assert found(project, from_events, high) == {"good"}
    assert found(project, from_events, {**high, "column": "Scores"}) == {"good"}
    yes = where("score_categories", "categoryOptions", "any of", ["yes"], key="c")
    assert found(project, from_events, yes) == {"good"}
    true = where("score_booleans", "booleanObject", "=", True, key="b")
    assert found(project, from_events, true) == {"bad"}
    words = where("score_categories", "categoryOptions", "any of", ["words"], key="t")
    assert found(project, from_events, words) == ({"bad"} if from_events else set())


def test_metadata_are_those_of_the_latest_span(project: Project) -> None:
    for second, source in ((1, "old"), (2, "new")):
        project.add(
            "events_full",
            {"span_id": source, "trace_id": "a", "session_id": "s", "start_time": at(second)}
            | {"metadata_names": ["source"], "metadata_values": [source]},
        )
    for value, expected in (("old", set()), ("new", {"s"})):
        chosen = where("metadata", "stringObject", "=", value, key="source")
        assert found(project, True, chosen) == expected


@pytest.mark.parametrize(
    ("wanted", "from_events", "sentence"),
    [
        (where("metadata", "stringObject", "=", "x", key="k"), False, "Column metadata does not"),
        (where("metadata", "null", "is null", ""), True, "Invalid filter type 'null'"),
        (where("public", "boolean", "=", True), False, "Column public does not match"),
        (where("bookmarked", "string", "=", "yes"), False, "Expected filter type 'boolean'"),
        (where("environment", "number", "=", 1), False, "Invalid filter type 'number'"),
        (where("environment", "number", "=", 1), True, "Invalid filter type 'number'"),
        (where("createdAt", "string", "=", "x"), True, "Expected filter type 'datetime'"),
    ],
)
def test_filters_that_cannot_be_applied_are_refused(
    project: Project, wanted: Any, from_events: bool, sentence: str
) -> None:
    with pytest.raises(InvalidFilterError, match=sentence):
        sessions(project, from_events, wanted)


@SOURCES
@pytest.mark.parametrize("column", ["nope", "public", "metadata"])
def test_an_order_that_cannot_be_made_is_refused(
    project: Project, column: str, from_events: bool
) -> None:
    order = {"column": column, "order": "ASC"}
    with pytest.raises(InvalidFilterError, match=f"Invalid order by column: {column}"):
        sessions(project, from_events, orderBy=order)
