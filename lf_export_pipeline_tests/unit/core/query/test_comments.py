from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.comments import apply_comment_filters, comment_preflight_queries
from lf_export_pipeline.core.query.export_query import Answers
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.filters import StringFilter, StringOptionsFilter
from lf_export_pipeline.core.request.model import BatchExportQuery, ExportFormat, ExportRequest

LIMITS = ExportLimits()
NAME = {"type": "string", "column": "name", "operator": "=", "value": "x"}


def count(operator: str, value: Any, column: str = "commentCount") -> dict[str, Any]:
    return {"type": "number", "column": column, "operator": operator, "value": value}


def content(operator: str, value: str, column: str = "commentContent") -> dict[str, Any]:
    return {"type": "string", "column": column, "operator": operator, "value": value}


def request(*filters: dict[str, Any], table: str = "traces") -> ExportRequest:
    query = {"tableName": table, "filter": list(filters), "orderBy": None}
    return ExportRequest(
        export_id="e",
        project_id="project-1",
        user_id="u",
        name="n",
        created_at=datetime(2031, 3, 20, tzinfo=UTC),
        format=ExportFormat.CSV,
        query=BatchExportQuery.model_validate(query),
    )


def statements(*filters: dict[str, Any]) -> dict[str, Statement]:
    return comment_preflight_queries(request(*filters), "TRACE", LIMITS)


def test_a_request_without_comment_filters_needs_nothing() -> None:
    assert statements(NAME) == {}
    selection = apply_comment_filters(request(NAME), {}, LIMITS)
    assert selection.included_ids is None
    assert not selection.nothing_matches
    assert selection.id_filters() == ()
    assert [type(wanted) for wanted in selection.filters] == [StringFilter]


@pytest.mark.parametrize(
    ("filters", "name", "having"),
    [
        ([count(">=", 1)], "comments_included", "HAVING count(*) >= CAST(:count_0 AS numeric)\n"),
        ([count("=", 2)], "comments_included", "HAVING count(*) = CAST(:count_0 AS numeric)\n"),
        (
            [count("=", 0)],
            "comments_excluded",
            "HAVING NOT (count(*) = CAST(:count_0 AS numeric))\n",
        ),
        (
            [count("<=", 3), count(">=", 0), count("<", 3)],
            "comments_excluded",
            "HAVING NOT (count(*) <= CAST(:count_0 AS numeric) "
            "AND count(*) < CAST(:count_1 AS numeric))\n",
        ),
        (
            [count("<", -1)],
            "comments_excluded",
            "HAVING NOT (count(*) < CAST(:count_0 AS numeric))\n",
        ),
        (
            [count("=", 0), count(">", 0)],
            "comments_included",
            "HAVING count(*) = CAST(:count_0 AS numeric) "
            "AND count(*) > CAST(:count_1 AS numeric)\n",
        ),
        (
            [count("<=", 2), content("contains", "x")],
            "comments_included",
            "HAVING bool_or(words @@ plainto_tsquery('english', :content_0)) "
            "AND count(*) <= CAST(:count_0 AS numeric)\n",
        ),
    ],
)
def test_counts_include_or_exclude(filters: list[dict[str, Any]], name: str, having: str) -> None:
    (found,) = statements(*filters).items()
    assert found[0] == name
    assert having in found[1].sql


@pytest.mark.parametrize("filters", [[count(">=", 0)], [count(">", -1)], [count(">", -0.5)]])
def test_a_count_that_every_object_has_is_no_filter(filters: list[dict[str, Any]]) -> None:
    assert statements(*filters) == {}


@pytest.mark.parametrize(
    ("typed", "bound"),
    [
        (2, "2"),
        (1.5, "1.5"),
        (1.0001, "1.5"),
        (-1e-300, "-0.5"),
        (10**400, "1000000000000000000"),
        (float("-inf"), "-1000000000000000000"),
    ],
)
def test_every_number_compares_with_a_count(typed: Any, bound: str) -> None:
    (statement,) = statements(count("=", typed), count("=", 7)).values()
    assert statement.params["count_0"] == bound


def test_the_statement_knows_its_project_and_its_limit() -> None:
    (statement,) = statements(count("=", 2)).values()
    assert statement.store is Store.POSTGRES
    assert statement.params == {
        "project_id": "project-1",
        "object_type": "TRACE",
        "most": 50_001,
        "count_0": "2",
    }


@pytest.mark.parametrize(
    ("operator", "bound"),
    [
        ("contains", "50%'\\"),
        ("does not contain", "%50%'\\%"),
        ("=", "%50%'\\%"),
        ("starts with", "50%'\\%"),
        ("ends with", "%50%'\\\\"),
    ],
)
def test_a_content_is_bound_and_never_sql(operator: str, bound: str) -> None:
    (statement,) = statements(content(operator, "50%'\\")).values()
    assert statement.params["content_0"] == bound
    assert "50%" not in statement.sql


@pytest.mark.parametrize(
    "filters",
    [
        [count(">=", 1, "Comment Count")],
        [content("contains", "bug", "Comment Content")],
    ],
)
def test_comment_filters_work_by_their_names_in_the_table(filters: list[dict[str, Any]]) -> None:
    assert list(statements(*filters)) == ["comments_included"]
    assert apply_comment_filters(request(*filters), {}, LIMITS).filters == ()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            {"type": "datetime", "column": "commentCount", "operator": ">", "value": 0},
            "Invalid filter type 'datetime' for column 'commentCount'. "
            "Expected filter type 'number'.",
        ),
        (
            {"type": "null", "column": "Comment Content", "operator": "is null", "value": ""},
            "Invalid filter type 'null' for column 'Comment Content'. "
            "Expected filter type 'string'.",
        ),
    ],
)
def test_a_comment_filter_of_another_type_is_refused(wanted: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidFilterError) as caught:
        statements(wanted)
    assert caught.value.user_message == expected


def test_included_ids_become_a_filter_beside_the_others() -> None:
    wanted = request(count(">=", 1), NAME)
    answers: Answers = {"comments_included": [("b", 2), ("a", 2)]}
    selection = apply_comment_filters(wanted, answers, LIMITS)
    assert selection.included_ids == frozenset("ab")
    assert [filter_.column for filter_ in selection.filters] == ["name"]
    assert selection.id_filters() == (
        StringOptionsFilter(type="stringOptions", column="id", operator="any of", value=("a", "b")),
    )


def test_excluded_ids_become_a_filter() -> None:
    answers: Answers = {"comments_excluded": [("a", 1)]}
    (excluded,) = apply_comment_filters(request(count("=", 0)), answers, LIMITS).id_filters("ID")
    assert excluded == StringOptionsFilter(
        type="stringOptions", column="ID", operator="none of", value=("a",)
    )


def test_excluding_nobody_is_no_filter() -> None:
    selection = apply_comment_filters(request(count("=", 0)), {"comments_excluded": []}, LIMITS)
    assert selection.id_filters() == ()
    assert not selection.nothing_matches


def test_no_commented_object_means_an_empty_export() -> None:
    selection = apply_comment_filters(request(count("=", 9)), {"comments_included": []}, LIMITS)
    assert selection.nothing_matches


@pytest.mark.parametrize(
    ("table", "objects"),
    [
        ("traces", "traces"),
        ("sessions", "sessions"),
        ("observations", "observations"),
        ("events", "observations"),
    ],
)
@pytest.mark.parametrize("name", ["comments_included", "comments_excluded"])
def test_too_many_matches_are_refused_with_their_number(
    table: str, objects: str, name: str
) -> None:
    rows: list[tuple[object, ...]] = [(str(index), 1_234_567) for index in range(50_001)]
    with pytest.raises(InvalidFilterError) as caught:
        apply_comment_filters(request(count("=", 9), table=table), {name: rows}, LIMITS)
    assert caught.value.user_message == (
        f"Comment filter matches 1,234,567 {objects} (limit: 50,000). "
        "Please add additional filters to narrow your search."
    )


def test_exactly_the_limit_is_allowed() -> None:
    limits = ExportLimits(comment_filter_limit=2)
    rows: list[tuple[object, ...]] = [("a", 2), ("b", 2)]
    answers = {"comments_included": rows}
    selection = apply_comment_filters(request(count("=", 9)), answers, limits)
    assert selection.included_ids == frozenset("ab")
