"""Sessions from either source: what they add up to, and in which order and chunks they come."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from lf_export_pipeline_tests.effort import some
from lf_export_pipeline_tests.exporting import CUTOFF, Project, Row

pytestmark = [pytest.mark.services, pytest.mark.sampled]

SOURCES = pytest.mark.parametrize("from_events", [False, True], ids=["traces", "events"])
MOST_TOKENS = 2**64 - 1


def at(second: float, day: int = 1) -> str:
    minute, rest = divmod(second, 60)
    return f"2031-03-{day:02d}T12:{int(minute):02d}:{rest:06.3f}Z"


def add_trace(project: Project, name: str, session: str, *, day: int = 1, **more: Any) -> None:
    """A trace of a session, in both sources."""
    common = {"session_id": session, **more}
    project.add("traces", {"id": name, "timestamp": at(0, day), **common})
    span = {"span_id": f"t-{name}", "trace_id": name, "start_time": at(0, day)}
    project.add("events_full", {**span, **common})


def add_call(
    project: Project,
    name: str,
    trace: str,
    session: str,
    *,
    start: float = 0,
    end: float | None = None,
    **more: Any,
) -> None:
    """An observation of a trace, in both sources."""
    common = {
        "trace_id": trace,
        "start_time": at(start),
        "end_time": None if end is None else at(end),
        **more,
    }
    project.add("observations", {"id": name, **common})
    project.add("events_full", {"span_id": name, "session_id": session, **common})


def sessions(project: Project, from_events: bool, *filters: Row, **options: Any) -> dict[str, Any]:
    """The exported sessions by id."""
    rows = project.export("sessions", filters, useEventsTable=from_events, **options).rows
    return {row["id"]: row for row in rows}


@SOURCES
def test_a_session_lasts_from_its_first_start_to_its_last_end_in_seconds(
    project: Project, from_events: bool
) -> None:
    add_trace(project, "a", "s")
    add_call(project, "first", "a", "s", start=0, end=1.5)
    add_call(project, "last", "a", "s", start=60, end=125.25)
    add_call(project, "endless", "a", "s", start=70)
    assert sessions(project, from_events)["s"]["sessionDuration"] == Decimal("125.25")


def test_a_session_of_before_1970_lasts_as_long_as_its_observations(project: Project) -> None:
    """Beside a trace that has none."""
    for name in ("a", "b"):
        trace = {"id": name, "timestamp": "1960-01-01T00:00:00.000Z", "session_id": "s"}
        project.add("traces", trace)
    start, end = "1960-01-01T00:00:00.000Z", "1960-01-01T00:00:01.000Z"
    project.add("observations", {"id": "x", "trace_id": "a", "start_time": start, "end_time": end})
    assert sessions(project, False)["s"]["sessionDuration"] == 1


def test_a_session_without_observations_has_no_duration_and_costs_nothing(
    project: Project,
) -> None:
    add_trace(project, "a", "s")
    row = sessions(project, False)["s"]
    assert row["sessionDuration"] is None
    assert (row["inputCost"], row["totalCost"], row["totalTokens"]) == ("0", "0", 0)
    data = project.export("sessions", file_format="CSV").data.decode()
    assert data.splitlines()[1].startswith('"s","[]","1","","""0""","""0""","""0""","0",')


@SOURCES
def test_token_sums_beyond_64_bits_keep_all_digits_and_can_be_filtered(
    project: Project, from_events: bool
) -> None:
    add_trace(project, "a", "s")
    usage = {"total": MOST_TOKENS, "input": MOST_TOKENS, "INPUT_cached": MOST_TOKENS}
    add_call(project, "one", "a", "s", usage_details=usage)
    add_call(project, "two", "a", "s", usage_details=usage)
    assert sessions(project, from_events)["s"]["totalTokens"] == str(2 * MOST_TOKENS)
    for column, value in (("totalTokens", 2), ("Usage", 2), ("Input Tokens", 4)):
        exactly = {"type": "number", "column": column, "operator": "=", "value": 0}
        exactly["value"] = value * MOST_TOKENS
        assert sessions(project, from_events, exactly).keys() == {"s"}
        less = {**exactly, "operator": "<"}
        assert not sessions(project, from_events, less)


@SOURCES
def test_costs_are_added_up_by_key_as_decimals(project: Project, from_events: bool) -> None:
    add_trace(project, "a", "s")
    add_call(project, "x", "a", "s", cost_details={"input": 0.1, "cache_INPUT": 2e-12, "total": 5})
    add_call(project, "y", "a", "s", cost_details={"input": 0.2, "output": 1e-12})
    row = sessions(project, from_events)["s"]
    assert (row["inputCost"], row["outputCost"], row["totalCost"]) == (
        "0.300000000002",
        "1e-12",
        "5",
    )


@SOURCES
def test_users_tags_and_traces_are_those_of_all_traces(project: Project, from_events: bool) -> None:
    add_trace(project, "a", "s", user_id="u2", tags=["y", "x"])
    add_trace(project, "b", "s", user_id="u1", tags=["x", ""], day=2)
    add_trace(project, "c", "s", user_id="", day=3)
    row = sessions(project, from_events)["s"]
    assert row["userIds"] == (["u1", "u2"] if from_events else ["", "u1", "u2"])
    assert row["traceTags"] == ["", "x", "y"]
    assert (row["countTraces"], row["totalCount"]) == (3, 3)
    assert row["createdAt"] == "2031-03-01T12:00:00.000Z"


def test_only_traces_know_a_session_named_by_the_empty_text(project: Project) -> None:
    add_trace(project, "a", "")
    assert sessions(project, False).keys() == {""}
    assert not sessions(project, True)


@SOURCES
def test_a_session_counts_from_its_first_trace_whatever_comes_after_the_cutoff(
    project: Project, from_events: bool
) -> None:
    add_trace(project, "before", "s", day=10)
    add_trace(project, "after", "s", day=25)
    add_trace(project, "too late", "late", day=25)
    found = sessions(project, from_events)
    assert found.keys() == {"s"}
    assert found["s"]["countTraces"] == 2
    assert sessions(project, from_events, created_at=CUTOFF + timedelta(days=9)).keys() == {
        "s",
        "late",
    }


def test_a_trace_that_moved_to_another_session_counts_in_one_of_them(project: Project) -> None:
    """Langfuse: where it was stored first, until the versions are merged; in any chunks."""
    for second, session in enumerate(("early", "moved")):
        project.add("traces", {"id": "a", "session_id": session, "event_ts": at(second)})
        project.add("traces", {"id": session, "session_id": session})
    for chunk_rows in (1, 10):
        found = sessions(project, False, chunk_rows=chunk_rows)
        assert found.keys() == {"early", "moved"}
        assert sum(row["countTraces"] for row in found.values()) == 3


def test_of_an_observation_only_the_newest_version_counts(project: Project) -> None:
    add_trace(project, "a", "s")
    versions = [(1, 5), (3, 7), (2, 100)]
    for second, cost in versions:
        project.add(
            "observations",
            {"id": "o", "trace_id": "a", "event_ts": at(second), "cost_details": {"total": cost}},
        )
    assert sessions(project, False)["s"]["totalCost"] == "7"


ORDER_COLUMNS = (
    *("bookmarked", "⭐️", "createdAt", "userIds", "environment", "sessionDuration", "countTraces"),
    *("tracesCount", "inputCost", "Output Cost ($)", "Session Total Cost", "inputTokens"),
    *("outputTokens", "Usage", "usage", "traceTags", "scores_avg", "score_categories"),
    "score_booleans",
)


@SOURCES
@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_sessions_that_are_equal_in_what_orders_them_are_ordered_by_id(
    project: Project, order: str, from_events: bool
) -> None:
    names = ["c", "a", "d", "b"]
    for name in names:
        add_trace(project, f"trace {name}", name)
    for column in some(ORDER_COLUMNS):
        wanted = {"column": column, "order": order}
        options: dict[str, Any] = {"orderBy": wanted, "useEventsTable": from_events}
        assert project.export("sessions", chunk_rows=3, **options).ids == sorted(names), column


@SOURCES
@pytest.mark.parametrize("chunk_rows", [1, 3, 10])
def test_the_order_of_the_table_is_that_of_the_file_in_any_chunks(
    project: Project, from_events: bool, chunk_rows: int
) -> None:
    costs = {"a": 3, "b": 1, "c": 2, "d": 2}
    for day, (name, cost) in enumerate(costs.items(), start=1):
        add_trace(project, f"trace {name}", name, day=day)
        add_call(project, name, f"trace {name}", name, cost_details={"total": cost})
    options: dict[str, Any] = {"useEventsTable": from_events, "chunk_rows": chunk_rows}
    by_cost = {"column": "totalCost", "order": "DESC"}
    found = project.export("sessions", orderBy=by_cost, **options)
    assert found.ids == ["a", "c", "d", "b"]
    assert [row["totalCost"] for row in found.rows] == ["3", "2", "2", "1"]
    starred = {"column": "bookmarked", "order": "DESC"}
    project.add_to_postgres("trace_sessions", {"id": "b", "bookmarked": True})
    assert project.export("sessions", orderBy=starred, **options).ids[0] == "b"


@SOURCES
def test_without_an_order_the_youngest_session_is_first(
    project: Project, from_events: bool
) -> None:
    for day, name in ((2, "b"), (3, "a"), (1, "c")):
        add_trace(project, f"trace {name}", name, day=day)
    assert project.export("sessions", useEventsTable=from_events).ids == ["a", "b", "c"]


@SOURCES
@pytest.mark.parametrize(("row_limit", "hit"), [(1, True), (4, True), (5, False), (6, False)])
def test_the_row_limit_is_exact(
    project: Project, from_events: bool, row_limit: int, hit: bool
) -> None:
    for name in "abcde":
        add_trace(project, f"trace {name}", name)
    found = project.export("sessions", row_limit=row_limit, useEventsTable=from_events)
    assert (len(found.rows), found.limit_hit) == (min(row_limit, 5), hit)


@SOURCES
@pytest.mark.parametrize("file_format", ["CSV", "JSON", "JSONL"])
def test_odd_ids_come_out_as_they_went_in_whatever_the_chunks(
    project: Project, from_events: bool, file_format: str
) -> None:
    odd_ids = ["it's", "back\\slash", "\\'", "日本", "😀", "tab\t", "nul\x00", "{p0:String}", "%_"]
    for number, odd in enumerate(odd_ids):
        add_trace(project, f"trace {number}", odd, user_id=odd, tags=[odd])
        if "\x00" not in odd:
            project.add_to_postgres("trace_sessions", {"id": odd, "public": True})
    options: dict[str, Any] = {"useEventsTable": from_events, "file_format": file_format}
    whole = project.export("sessions", **options)
    assert project.export("sessions", chunk_rows=2, **options).data == whole.data
    if file_format == "JSONL":
        found = {row["id"]: row for row in whole.rows}
        assert found.keys() == set(odd_ids)
        for odd, row in found.items():
            assert (row["userIds"], row["traceTags"]) == ([odd], [odd])
            assert (row["bookmarked"], row["public"]) == (False, "\x00" not in odd)


@SOURCES
def test_sessions_of_other_projects_are_not_seen(project: Project, from_events: bool) -> None:
    add_trace(project, "a", "s")
    stranger = Project(project.addresses, project.client, project.reader, project.settings)
    add_trace(stranger, "a", "s", user_id="stranger")
    add_call(stranger, "o", "a", "s", cost_details={"total": 9})
    stranger.add_to_postgres("trace_sessions", {"id": "s", "bookmarked": True})
    row = sessions(project, from_events)["s"]
    assert (row["userIds"], row["totalCost"], row["bookmarked"]) == ([], "0", False)
