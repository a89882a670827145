"""The scores table: each score once, in the order asked for, beside its trace."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline_tests.exporting import Project, where

pytestmark = [pytest.mark.services, pytest.mark.sampled]

BOTH = pytest.mark.parametrize("events", [False, True], ids=["traces", "events"])


def at(second: int, day: int = 1) -> str:
    return f"2031-03-{day:02d}T12:00:{second:02d}.000Z"


def add_score(project: Project, score_id: str, **values: Any) -> None:
    project.add("scores", {"id": score_id, "name": "quality", **values})


def add_trace(project: Project, trace_id: str = "trace", *, events: bool, **values: Any) -> None:
    """A trace as its own table knows it, or as the events table does."""
    if events:
        renamed = {"trace_name" if key == "name" else key: value for key, value in values.items()}
        project.add("events_full", {"span_id": f"t-{trace_id}", "trace_id": trace_id, **renamed})
    else:
        project.add("traces", {"id": trace_id, **values})


@BOTH
def test_a_score_is_exported_once_whatever_days_and_names_its_versions_have(
    project: Project, *, events: bool
) -> None:
    add_score(project, "a", value=1, event_ts=at(1))
    add_score(project, "a", value=3, event_ts=at(3), name="renamed", timestamp=at(0, day=2))
    add_score(project, "a", value=2, event_ts=at(2), timestamp=at(0, day=3))
    row = project.export("scores", useEventsTable=events, chunk_rows=1).row
    assert (row["name"], row["value"]) == ("renamed", 3)


@BOTH
def test_a_deleted_score_is_not_exported(project: Project, *, events: bool) -> None:
    add_score(project, "a", event_ts=at(1))
    add_score(project, "a", event_ts=at(2), is_deleted=1, timestamp=at(0, day=2))
    add_score(project, "b")
    assert project.export("scores", useEventsTable=events).ids == ["b"]


def test_corrections_are_never_exported(project: Project) -> None:
    for kind in ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"):
        add_score(project, kind, data_type=kind)
    asked = where("dataType", "stringOptions", "any of", ["TEXT", "CORRECTION"])
    assert project.ids("scores") == {"NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT"}
    assert project.ids("scores", asked) == {"TEXT"}


@BOTH
@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_the_order_is_kept_over_chunks_and_ties_are_stable(
    project: Project, *, events: bool, chunk_rows: int
) -> None:
    for score_id, value in (("a", 2), ("b", 10), ("c", 2), ("d", -1), ("e", 10)):
        add_score(project, score_id, value=value, event_ts=at(1))
    add_score(project, "d", value=10, event_ts=at(2))
    add_score(project, "b", value=-5, event_ts=at(0))
    order = {"column": "value", "order": "DESC"}
    exported = project.export("scores", orderBy=order, useEventsTable=events, chunk_rows=chunk_rows)
    assert exported.ids == ["b", "d", "e", "a", "c"]


@BOTH
@pytest.mark.parametrize(
    ("column", "ascending"),
    [
        ("timestamp", ["z", "y", "x"]),
        ("Name", ["y", "x", "z"]),
        ("Trace Name", ["x", "z", "y"]),
        ("comment", ["z", "x", "y"]),
    ],
)
def test_a_column_of_the_score_or_of_its_trace_orders_both_ways(
    project: Project, *, events: bool, column: str, ascending: list[str]
) -> None:
    for trace_id, name in (("t1", "alpha"), ("t2", "beta"), ("t3", "gamma")):
        add_trace(project, trace_id, events=events, name=name)
    add_score(project, "x", name="b", trace_id="t1", timestamp=at(0, day=3), comment="2")
    add_score(project, "y", name="a", trace_id="t3", timestamp=at(0, day=2), comment="3")
    add_score(project, "z", name="c", trace_id="t2", timestamp=at(0, day=1), comment="1")
    for word, expected in (("ASC", ascending), ("DESC", ascending[::-1])):
        order = {"column": column, "order": word}
        for length in (1, 2, 3):
            found = project.export(
                "scores", orderBy=order, useEventsTable=events, chunk_rows=length
            )
            assert found.ids == expected


@BOTH
def test_without_an_order_the_file_is_the_same_for_any_length_of_chunks(
    project: Project, *, events: bool
) -> None:
    nasty = [
        "tab\there",
        "line\nbreak",
        "quo'te",
        'dou"ble',
        "back\\slash",
        "\\N",
        "",
        "日本 😀",
        "%_",
    ]
    for number, name in enumerate(nasty):
        add_score(project, f"id {name}", name=name, timestamp=at(number, day=1 + number % 2))
    whole = project.export("scores", useEventsTable=events)
    assert {row["name"] for row in whole.rows} == set(nasty)
    for length in (1, 2, 4):
        assert project.export("scores", useEventsTable=events, chunk_rows=length).data == whole.data


def test_an_unknown_order_is_refused_in_a_sentence(project: Project) -> None:
    with pytest.raises(InvalidFilterError, match=r"Invalid order by column: nope\. Columns of"):
        project.export("scores", orderBy={"column": "nope", "order": "ASC"})
    with pytest.raises(InvalidFilterError, match="Did you mean timestamp"):
        project.export("scores", orderBy={"column": "timestamps", "order": "ASC"})


def test_filters_on_comments_of_scores_are_refused(project: Project) -> None:
    with pytest.raises(InvalidFilterError, match="Column commentCount does not match"):
        project.export("scores", [where("commentCount", "number", ">=", 1)])


@BOTH
def test_the_row_limit_is_exact(project: Project, *, events: bool) -> None:
    for number in range(5):
        add_score(project, str(number), value=number)
    order = {"column": "value", "order": "DESC"}
    cut = project.export("scores", orderBy=order, row_limit=2, useEventsTable=events)
    assert (cut.ids, cut.limit_hit) == (["4", "3"], True)


@BOTH
def test_a_score_is_not_repeated_for_the_versions_of_its_trace(
    project: Project, *, events: bool
) -> None:
    for version in range(3):
        add_trace(project, events=events, name=f"v{version}", event_ts=at(version))
    add_score(project, "a", trace_id="trace")
    assert project.export("scores", useEventsTable=events).ids == ["a"]


def test_a_trace_is_shown_as_its_newest_version_tells_it(project: Project) -> None:
    add_trace(project, events=False, name="new", event_ts=at(2), tags=["x"], user_id="u")
    add_trace(project, events=False, name="stale", event_ts=at(1), timestamp=at(0, day=2))
    add_score(project, "a", trace_id="trace")
    row = project.export("scores").row
    assert (row["traceName"], row["userId"], row["traceTags"]) == ("new", "u", ["x"])


@BOTH
def test_what_a_filter_on_the_trace_found_is_what_is_shown(
    project: Project, *, events: bool
) -> None:
    with project.unmerged("events_core" if events else "traces"):
        add_trace(project, events=events, name="one", user_id="ada", event_ts=at(1))
        add_trace(project, events=events, name="two", user_id="bob", event_ts=at(2))
        add_score(project, "a", trace_id="trace")
        for name, user in (("one", "ada"), ("two", "bob")):
            wanted = where("traceName", "stringOptions", "any of", [name])
            row = project.export("scores", [wanted], useEventsTable=events).row
            assert (row["traceName"], row["userId"]) == (name, user)
        crossed = [
            where("traceName", "stringOptions", "any of", ["one"]),
            where("userId", "string", "=", "bob"),
        ]
        assert project.ids("scores", *crossed, useEventsTable=events) == set()


@BOTH
def test_a_score_without_a_trace_has_none_of_its_columns(project: Project, *, events: bool) -> None:
    add_score(project, "a", trace_id="gone")
    add_score(project, "b", session_id="session")
    expected: tuple[Any, ...] = (None, None, None) if events else ("", None, [])
    for row in project.export("scores", useEventsTable=events).rows:
        assert (row["traceName"], row["userId"], row["traceTags"]) == expected


@BOTH
def test_every_score_of_a_matching_trace_is_exported(project: Project, *, events: bool) -> None:
    add_trace(project, "t1", events=events, name="n", user_id="ada", tags=["prod", "x"])
    add_trace(project, "t2", events=events, name="n", user_id="bob", tags=["dev"])
    for number in range(3):
        for trace_id in ("t1", "t2"):
            add_score(project, f"{trace_id}-{number}", trace_id=trace_id)
    expected = {"t1-0", "t1-1", "t1-2"}
    for wanted in (
        where("userId", "stringOptions", "any of", ["ada"]),
        where("Trace Tags", "arrayOptions", "all of", ["x", "prod"]),
        where("trace_tags", "arrayOptions", "none of", ["dev"]),
    ):
        assert project.ids("scores", wanted, useEventsTable=events) == expected


def test_a_negative_filter_on_the_trace_needs_a_trace_only_in_the_events_table(
    project: Project,
) -> None:
    add_trace(project, events=False, name="n", tags=["dev"])
    add_trace(project, events=True, name="n", tags=["dev"])
    add_score(project, "with", trace_id="trace")
    add_score(project, "without", trace_id="gone")
    wanted = where("trace_tags", "arrayOptions", "none of", ["prod"])
    assert project.ids("scores", wanted) == {"with", "without"}
    assert project.ids("scores", wanted, useEventsTable=True) == {"with"}


def test_scores_without_an_observation_are_those_with_null_or_empty_text(project: Project) -> None:
    add_score(project, "null")
    add_score(project, "empty", observation_id="")
    add_score(project, "there", observation_id="obs")
    is_null = where("observationId", "null", "is null", "")
    other = where("Observation ID", "stringOptions", "none of", ["else"])
    assert project.ids("scores", is_null) == {"null", "empty"}
    assert project.ids("scores", other) == {"there"}


def test_values_are_as_stored_but_numeric_scores_have_no_text(project: Project) -> None:
    text = {"string_value": "kept"}
    add_score(project, "number", value=0.1, metadata={"n": "1", "t": "x"}, **text)
    add_score(project, "text", data_type="TEXT", **text)
    rows = {row["id"]: row for row in project.export("scores").rows}
    assert rows["number"]["stringValue"] is None
    assert str(rows["number"]["value"]) == "0.1"
    assert rows["number"]["metadata"] == {"n": 1, "t": "x"}
    assert rows["text"]["stringValue"] == "kept"


def test_the_author_is_named_even_by_a_user_of_another_project(project: Project) -> None:
    known = f"user-of-{project.id}"
    project.add_shared("users", {"id": known, "name": "Ada"})
    add_score(project, "known", author_user_id=known)
    add_score(project, "unknown", author_user_id="nobody")
    add_score(project, "none")
    names = {row["id"]: row["authorUserName"] for row in project.export("scores").rows}
    assert names == {"known": "Ada", "unknown": None, "none": None}
