"""Spans from the events table, as both exports that read it show them."""

from functools import partial
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from lf_export_pipeline.core.query.chunk_plan import bind_chunk
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline_tests.exporting import Project, Row, where

pytestmark = [pytest.mark.services, pytest.mark.sampled]

BOTH = pytest.mark.parametrize(
    "options",
    [{"table": "events"}, {"table": "observations", "useEventsTable": True}],
    ids=["events", "observations"],
)
Options = dict[str, Any]


def at(minute: int, second: int = 0, micro: int = 0) -> str:
    return f"2031-03-01T12:{minute:02d}:{second:02d}.{micro:06d}Z"


def ids(project: Project, options: Options, *filters: Row, **more: Any) -> set[str]:
    """The ids of an export from the source that a test is about."""
    rest = {name: value for name, value in options.items() if name != "table"}
    return project.ids(options["table"], *filters, **rest, **more)


def add_span(project: Project, span_id: str, **values: Any) -> None:
    project.add("events_full", {"trace_id": "trace", "span_id": span_id, **values})


@BOTH
@pytest.mark.parametrize("minute", [0, 1, 59])
def test_of_versions_in_any_minutes_the_newest_is_exported_once(
    project: Project, options: Options, minute: int
) -> None:
    add_span(project, "a", name="old", start_time=at(1), event_ts=at(1))
    add_span(project, "a", name="new", start_time=at(minute), event_ts=at(3))
    add_span(project, "a", name="between", start_time=at(2), event_ts=at(2))
    assert project.export(**options, chunk_rows=1).row["name"] == "new"


@BOTH
@pytest.mark.parametrize("minute", [1, 2])
def test_a_deleted_span_is_not_exported_though_its_old_version_is_still_stored(
    project: Project, options: Options, minute: int
) -> None:
    add_span(project, "a", event_ts=at(1), start_time=at(1))
    add_span(project, "a", event_ts=at(2), start_time=at(minute), is_deleted=1)
    add_span(project, "b")
    assert project.export(**options).ids == ["b"]


@BOTH
def test_filters_and_searches_look_at_the_newest_version_only(
    project: Project, options: Options
) -> None:
    add_span(project, "a", name="old", input="before", event_ts=at(1))
    add_span(project, "a", name="new", input="after", event_ts=at(2))
    by_name = partial(where, "name", "stringOptions", "any of")
    search = {"searchType": ["input"]}
    assert ids(project, options, by_name(["old"])) == set()
    assert ids(project, options, by_name(["new"])) == {"a"}
    assert ids(project, options, searchQuery="before", **search) == set()
    assert ids(project, options, searchQuery="after", **search) == {"a"}


@BOTH
def test_the_latest_start_comes_first_in_one_chunk_as_in_many(
    project: Project, options: Options
) -> None:
    minutes = [3, 1, 1, 2, 1, 0, 1, 3]
    for number, minute in enumerate(minutes):
        add_span(
            project,
            f"span-{number}",
            trace_id=f"trace-{number % 3}",
            start_time=at(minute, second=number % 2),
        )
    whole = project.export(**options)
    started = [row["startTime"] for row in whole.rows]
    assert started == sorted(started, reverse=True)
    assert len(set(whole.ids)) == len(minutes)
    for length in (1, 2, 3, 5):
        assert project.export(**options, chunk_rows=length).data == whole.data


@BOTH
def test_the_row_limit_is_exact_and_keeps_the_latest(project: Project, options: Options) -> None:
    for minute in range(5):
        add_span(project, f"span-{minute}", start_time=at(minute))
    cut = project.export(**options, row_limit=2)
    assert (cut.ids, cut.limit_hit) == (["span-4", "span-3"], True)
    assert not project.export(**options, row_limit=5).limit_hit


@BOTH
def test_chunks_are_found_in_any_time_zone_of_the_server(
    project: Project, clickhouse_writer: Client, options: Options
) -> None:
    add_span(project, "a", start_time=at(59, second=59, micro=999_999))
    add_span(project, "b", start_time="1970-01-03T00:00:00.000000Z")
    request = project.request(**options)
    answers: dict[str, list[tuple[object, ...]]] = {"score_names": []}
    compiled = table_source(request.query.table).compile(request, answers, ExportLimits())
    query = compiled.keyed((1, 2))
    scan, rows = query.key_scan, query.chunk_rows
    assert scan is not None
    assert rows is not None
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns"):
        settings = {"session_timezone": zone}
        found = clickhouse_writer.query(scan.sql, scan.params, settings).result_rows
        assert [minute for _, minute in found] == ["2031-03-01 12:59:00", "1970-01-03 00:00:00"]
        for span_id, (key, minute) in zip("ab", found, strict=True):
            bound = bind_chunk(rows, key.to_bytes(8, "little"), [minute], [minute])
            read = clickhouse_writer.query(bound.sql, bound.params, settings).result_rows
            assert [row[0] for row in read] == [span_id]


@BOTH
def test_of_repeated_metadata_names_the_first_value_counts(
    project: Project, options: Options
) -> None:
    add_span(
        project, "a", metadata_names=["k", "n", "k", ""], metadata_values=["1", "x", "2", "no name"]
    )
    first = 1 if options["table"] == "observations" else "1"
    assert project.export(**options).row["metadata"] == {"k": first, "n": "x", "": "no name"}
    by_first = where("metadata", "stringObject", "=", "1", key="k")
    by_second = where("metadata", "stringObject", "=", "2", key="k")
    assert ids(project, options, by_first) == {"a"}
    assert ids(project, options, by_second) == set()


@BOTH
def test_a_span_with_fewer_metadata_values_than_names_does_not_fail_the_export(
    project: Project, options: Options
) -> None:
    add_span(project, "a", metadata_names=["k", "n"], metadata_values=["v"])
    assert project.export(**options).row["metadata"] == {"k": "v", "n": ""}


@BOTH
def test_64_bit_usages_keep_their_digits_and_can_be_filtered(
    project: Project, options: Options
) -> None:
    most = 18_446_744_073_709_551_615
    add_span(project, "most", usage_details={"total": most})
    add_span(project, "less", usage_details={"total": most - 1})
    add_span(project, "none")
    only = where("totalTokens", "number", "=", most)
    assert project.export(**options, filters=[only]).row["usageDetails"] == {"total": most}
    fewer = where("Total Tokens", "number", "<", most)
    assert ids(project, options, fewer) == {"less"}


@BOTH
def test_a_trace_is_named_by_itself_or_by_its_root(project: Project, options: Options) -> None:
    add_span(project, "named", trace_name="trace name", name="x", parent_span_id="p")
    add_span(project, "root", name="root name")
    add_span(project, "app root", name="app", parent_span_id="p", is_app_root=True)
    add_span(project, "child", name="y", parent_span_id="p")
    add_span(project, "nameless", name="")
    names = {row["id"]: row["traceName"] for row in project.export(**options).rows}
    assert names == {
        "named": "trace name",
        "root": "root name",
        "app root": "app",
        "child": None,
        "nameless": None,
    }
    nameless = where("traceName", "null", "is null", "")
    assert ids(project, options, nameless) == {"child", "nameless"}


@BOTH
def test_a_search_finds_whole_words_of_texts_and_parts_of_names(
    project: Project, options: Options
) -> None:
    add_span(project, "a", input='{"messages": []}', name="conversation")
    find = partial(ids, project, options)
    assert find(searchQuery="messages", searchType=["content"]) == {"a"}
    assert find(searchQuery="essage", searchType=["content"]) == set()
    assert find(searchQuery="messages", searchType=["output"]) == set()
    assert find(searchQuery="versat", searchType=["id"]) == {"a"}
    assert find(searchQuery="versat", searchType=["output", "id"]) == {"a"}


def test_events_keep_microseconds_and_observations_cut_them(project: Project) -> None:
    add_span(project, "a", start_time=at(0, micro=1999), end_time=at(0, second=1, micro=2001))
    event = project.export("events").row
    observation = project.export("observations", useEventsTable=True).row
    assert event["startTime"] == "2031-03-01 12:00:00.001999"
    assert (event["endTime"], event["latencyMs"]) == ("2031-03-01 12:00:01.002001", 1001)
    assert observation["startTime"] == "2031-03-01T12:00:00.001Z"
    assert float(observation["latency"]) == 1.001
    assert event["completionStartTime"] is event["timeToFirstTokenMs"] is None


def test_events_hold_texts_as_they_are_and_observations_parse_them(project: Project) -> None:
    add_span(project, "a", input='{"n":1}', output="", model_parameters='{"t":"0"}')
    event = project.export("events").row
    observation = project.export("observations", useEventsTable=True).row
    texts = ("input", "output", "modelParameters")
    assert [event[name] for name in texts] == ['{"n":1}', "", '{"t":"0"}']
    assert [observation[name] for name in texts] == [{"n": 1}, None, {"t": "0"}]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("hasParentObservation", {"child", "app"}),
        ("isRootObservation", {"root", "app"}),
        ("hasInput", {"root"}),
        ("Has Output", {"child"}),
        ("isExperimentItemRootSpan", {"child"}),
    ],
)
def test_each_truth_about_a_span_can_be_filtered_both_ways(
    project: Project, column: str, expected: set[str]
) -> None:
    add_span(project, "root", input="x")
    add_span(project, "child", parent_span_id="p", output="y", experiment_item_root_span_id="child")
    add_span(project, "app", parent_span_id="p", is_app_root=True)
    for value in (True, False):
        found = project.ids("events", where(column, "boolean", "=", value))
        assert found == (expected if value else {"root", "child", "app"} - expected)


def test_each_export_of_spans_is_empty_where_there_are_none(project: Project) -> None:
    assert project.export("events").data == b""
    assert project.export("observations", useEventsTable=True, file_format="JSON").data == b"[]"
