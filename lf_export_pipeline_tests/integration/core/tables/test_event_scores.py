"""The scores of spans: of both levels in the columns, and in the filters on them."""

from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project, Row, where

pytestmark = [pytest.mark.services, pytest.mark.sampled]

BOTH = pytest.mark.parametrize(
    "options",
    [{"table": "events"}, {"table": "observations", "useEventsTable": True}],
    ids=["events", "observations"],
)
Options = dict[str, Any]
NOON = "2031-03-01T12:00:00.000Z"


def ids(project: Project, options: Options, *filters: Row, **more: Any) -> set[str]:
    """The ids of an export from the source that a test is about."""
    rest = {name: value for name, value in options.items() if name != "table"}
    return project.ids(options["table"], *filters, **rest, **more)


def add_spans(project: Project, *span_ids: str, trace_id: str = "trace") -> None:
    rows = [{"trace_id": trace_id, "span_id": span_id} for span_id in span_ids]
    project.add("events_full", *rows)


def add_scores(project: Project, *scores: dict[str, Any]) -> None:
    rows = [{"id": f"score-{n}", "trace_id": "trace", **each} for n, each in enumerate(scores)]
    project.add("scores", *rows)


def cells(project: Project, name: str, **options: Any) -> dict[str, list[Any] | None]:
    """What each span has under a score's name, as sorted plain values."""
    found = {}
    for row in project.export(**options).rows:
        cell = row[name]
        found[row["id"]] = cell and sorted(cell if isinstance(cell[0], str) else map(float, cell))
    return found


@BOTH
def test_a_span_shows_its_own_scores_and_those_of_its_trace(
    project: Project, options: Options
) -> None:
    add_spans(project, "a", "b")
    add_spans(project, "c", trace_id="other")
    add_scores(
        project,
        {"name": "quality", "value": 1, "observation_id": "a"},
        {"name": "quality", "value": 2},
        {"name": "quality", "value": 4, "trace_id": "elsewhere", "observation_id": "a"},
    )
    assert cells(project, "quality", **options) == {"a": [1, 2], "b": [2], "c": None}
    assert cells(project, "quality", **options, chunk_rows=1) == {"a": [1, 2], "b": [2], "c": None}


@BOTH
def test_scores_of_a_span_are_averaged_and_those_of_its_trace_are_not(
    project: Project, options: Options
) -> None:
    add_spans(project, "a")
    add_scores(
        project,
        {"name": "quality", "value": 1, "observation_id": "a"},
        {"name": "quality", "value": 2, "observation_id": "a"},
        {"name": "quality", "value": 8, "observation_id": "a", "comment": "on another ground"},
        {"name": "quality", "value": 3},
        {"name": "quality", "value": 4},
    )
    assert cells(project, "quality", **options) == {"a": [1.5, 3, 4, 8]}


@BOTH
def test_a_score_of_an_observation_without_a_name_belongs_to_no_span(
    project: Project, options: Options
) -> None:
    add_spans(project, "a")
    add_scores(project, {"name": "quality", "value": 1, "observation_id": ""})
    assert cells(project, "quality", **options) == {"a": None}


@BOTH
def test_a_number_at_either_level_makes_the_cell_one_of_numbers(
    project: Project, options: Options
) -> None:
    add_spans(project, "a")
    text = {"data_type": "CATEGORICAL", "string_value": "good"}
    add_scores(
        project,
        {"name": "mixed", "observation_id": "a", **text},
        {"name": "mixed", "value": 2},
        {"name": "texts", "observation_id": "a", **text},
        {"name": "texts", "data_type": "TEXT", "string_value": "fine"},
    )
    assert cells(project, "mixed", **options) == {"a": [2]}
    assert cells(project, "texts", **options) == {"a": ["fine", "good"]}


@BOTH
def test_a_deleted_score_leaves_an_empty_column(project: Project, options: Options) -> None:
    add_spans(project, "a")
    add_scores(project, {"name": "quality", "value": 1, "observation_id": "a"})
    add_scores(
        project,
        {
            "name": "quality",
            "observation_id": "a",
            "is_deleted": 1,
            "event_ts": "2031-03-02T00:00:00.000Z",
        },
    )
    assert cells(project, "quality", **options) == {"a": None}


@BOTH
def test_a_score_named_like_a_column_does_not_replace_it(
    project: Project, options: Options
) -> None:
    add_spans(project, "a")
    add_scores(project, {"name": "id", "value": 7}, {"name": "comments", "value": 8})
    row = project.export(**options).row
    assert (row["id"], row["comments"]) == ("a", [])
    assert (row["scores.id"], row["scores.comments"]) == ([7], [8])


def test_a_lower_bound_on_time_leaves_out_old_scores_of_events(project: Project) -> None:
    add_spans(project, "a")
    old = {"observation_id": "a", "timestamp": "2031-03-01T10:59:59.000Z"}
    add_scores(
        project,
        {"name": "span", "value": 1, **old},
        {"name": "span", "value": 2, **old, "timestamp": "2031-03-01T11:00:00.000Z", "comment": ""},
        {"name": "trace", "value": 3, "timestamp": "2031-02-27T10:59:59.999Z"},
        {"name": "trace", "value": 4, "timestamp": "2031-02-27T11:00:00.000Z"},
        # Names are only looked for in the hour before the bound.
        {"name": "trace", "value": 5},
    )
    since = [where("startTime", "datetime", ">=", NOON)]
    assert cells(project, "span", table="events", filters=since) == {"a": [2]}
    assert cells(project, "trace", table="events", filters=since) == {"a": [4, 5]}
    every = {"table": "observations", "useEventsTable": True, "filters": since}
    assert cells(project, "span", **every) == {"a": [1, 2]}
    assert cells(project, "trace", **every) == {"a": [3, 4, 5]}


@pytest.mark.parametrize("operator", [">", ">="])
def test_a_bound_before_all_time_is_no_error(project: Project, operator: str) -> None:
    add_spans(project, "a")
    add_scores(project, {"name": "quality", "value": 1})
    since = [where("Start Time", "datetime", operator, "-200000-01-01T00:00:00Z")]
    assert cells(project, "quality", table="events", filters=since) == {"a": [1]}


def add_spans_with_scores_at_each_level(project: Project) -> None:
    for trace_id, span_id in (("t-own", "own"), ("t-trace", "trace"), ("t-none", "none")):
        add_spans(project, span_id, trace_id=trace_id)
    values = (
        {"name": "n", "value": 0.9},
        {"name": "c", "data_type": "CATEGORICAL", "string_value": "good"},
        {"name": "b", "data_type": "BOOLEAN", "string_value": "True", "value": 1},
    )
    own = [{**each, "trace_id": "t-own", "observation_id": "own"} for each in values]
    add_scores(project, *own, *({**each, "trace_id": "t-trace"} for each in values))


NUMBER = {"type": "numberObject", "key": "n", "value": 0.5}
CATEGORY = {"type": "categoryOptions", "key": "c", "value": ["good"]}
BOOLEAN = {"type": "booleanObject", "key": "b", "value": True}


@BOTH
@pytest.mark.parametrize(
    ("column", "operator", "score", "expected"),
    [
        ("scores_avg", ">", NUMBER, {"own", "trace"}),
        ("Scores", ">", NUMBER, {"own", "trace"}),
        ("scores_avg", "<", NUMBER, set()),
        ("score_categories", "any of", CATEGORY, {"own", "trace"}),
        ("score_categories", "none of", CATEGORY, {"none"}),
        ("Scores (boolean)", "=", BOOLEAN, {"own", "trace"}),
        ("score_booleans", "<>", BOOLEAN, {"none"}),
        ("trace_scores_avg", ">", NUMBER, {"trace"}),
        ("Trace Scores (categorical)", "any of", CATEGORY, {"trace"}),
        ("trace_score_categories", "none of", CATEGORY, {"own", "none"}),
        ("trace_score_booleans", "<>", BOOLEAN, {"own", "none"}),
    ],
)
def test_score_filters_look_at_both_levels_unless_they_name_the_trace(
    project: Project,
    options: Options,
    column: str,
    *,
    operator: str,
    score: Row,
    expected: set[str],
) -> None:
    add_spans_with_scores_at_each_level(project)
    wanted = {"column": column, "operator": operator, **score}
    assert ids(project, options, wanted) == expected
