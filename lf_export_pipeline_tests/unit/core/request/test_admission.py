"""What a stored query may hold."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.admission import (
    ExportLimits,
    OversizedQuery,
    require_bounded_query,
)
from lf_export_pipeline_tests.numbers_table import export_row

Row = dict[str, Any]


def text(value: str = "x", column: str = "name", **more: object) -> Row:
    return {"type": "string", "column": column, "operator": "contains", "value": value, **more}


def options(count: int) -> Row:
    values = [f"018f2d6c-0000-7000-8000-{at:012d}" for at in range(count)]
    return {"type": "stringOptions", "column": "id", "operator": "any of", "value": values}


def query(*filters: object, **more: object) -> Row:
    return {"tableName": "traces", "filter": list(filters), "orderBy": None, **more}


TIME = {"type": "datetime", "column": "timestamp", "operator": ">", "value": "2031-03-01"}
COUNT = {"type": "number", "column": "Comment Count", "operator": ">", "value": 1}

TOO_MUCH: list[tuple[object, str]] = [
    (OversizedQuery(2_000_000, 1_048_576), "has 2,000,000 bytes (limit: 1,048,576)"),
    (query(*[text()] * 101), "The query has 101 filters (limit: 100)"),
    (query(*[TIME] * 8_000), "The query has 8,000 filters"),
    (query(*["no filter"] * 8_000), "The query has 8,000 filters"),
    (query(*[text(column="commentContent")] * 21), "has 21 filters on comments (limit: 20)"),
    (
        query(*[text(column="Comment Content")] * 11, *[COUNT] * 10),
        "has 21 filters on comments (limit: 20)",
    ),
    (query(options(20_001)), "The filters have 20,001 values (limit: 20,000)"),
    (query(*[options(1_000)] * 21), "The filters have 21,000 values (limit: 20,000)"),
    (
        query(text(), text("x" * 100_001)),
        "Filter 2 (column 'name'): 'value' has 100,001 characters (limit: 100,000)",
    ),
    (
        query(text("x" * 1_001, "commentContent")),
        "Filter 1 (column 'commentContent'): 'value' has 1,001 characters (limit: 1,000)",
    ),
    (
        query({**options(1), "value": ["x", "y" * 100_001]}),
        "Filter 1 (column 'id'): 'value' has 100,001 characters",
    ),
    (query(text(column="c" * 1_001)), "Filter 1: 'column' has 1,001 characters (limit: 1,000)"),
    (query(text(key="k" * 1_001)), "Filter 1 (column 'name'): 'key' has 1,001 characters"),
    (query(text(type="t" * 1_001)), "Filter 1 (column 'name'): 'type' has 1,001 characters"),
    (query(searchQuery="s" * 10_001), "The search text has 10,001 characters (limit: 10,000)"),
    (query(searchQuery="%a" * 51), "The search text has 51 percent signs (limit: 50)"),
    (query(searchQuery="_a" * 201), "The search text has 201 underscores (limit: 200)"),
    (query(searchType=["id"] * 101), "'searchType' has 101 entries (limit: 100)"),
]

LEGITIMATE = [
    query(*[text()] * 100),
    query(options(20_000)),
    query(*[options(5_000)] * 4),
    query(text("x" * 100_000)),
    query(*[text("x" * 1_000, "commentContent")] * 20),
    query(searchQuery="100%_" * 50),
    query(searchQuery="s" * 10_000, searchType=["id", "content"]),
]


@pytest.mark.parametrize(("stored", "said"), TOO_MUCH)
def test_a_query_that_holds_too_much_is_refused_with_the_number(stored: object, said: str) -> None:
    with pytest.raises(InvalidQueryError) as refusal:
        parse_request(export_row(query=stored))
    assert said in refusal.value.user_message
    assert len(refusal.value.user_message) < 300


@pytest.mark.parametrize("stored", LEGITIMATE)
def test_what_users_may_select_is_admitted(stored: Row) -> None:
    assert parse_request(export_row(query=stored)).query.table == "traces"


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        "text",
        {},
        query(None, 3, "x" * 2_000_000, [[]]),
        {"filter": 3, "searchQuery": ["s"] * 20_000, "searchType": 7},
        {"filter": {"a": 1}},
        query({"column": ["c"] * 2_000, "value": {"a": "b"}, "key": None, "type": 3}),
    ],
)
def test_what_is_misshapen_is_left_to_the_models(stored: object) -> None:
    require_bounded_query(stored, ExportLimits())
    with pytest.raises(InvalidQueryError):
        parse_request(export_row(query=stored))


def test_an_operator_can_allow_more() -> None:
    many = export_row(query=query(*[TIME] * 8_000))
    assert len(parse_request(many, ExportLimits(filters=8_000)).query.filter) == 8_000
