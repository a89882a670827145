from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.core.query.search import (
    SearchColumns,
    json_escaped,
    search_condition,
    search_words,
)
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.request.model import BatchExportQuery

COLUMNS = SearchColumns(("t.id", "t.name"), "t.input", "t.output")
WORDS = SearchColumns(("e.id",), "e.input", "e.output", whole_words=True)


def condition(
    query: str, types: Any = None, columns: SearchColumns = COLUMNS
) -> tuple[str | None, dict[str, Any]]:
    stored: dict[str, Any] = {"tableName": "t", "filter": [], "orderBy": None, "searchQuery": query}
    if types is not None:
        stored["searchType"] = types
    params = Params()
    sql = search_condition(BatchExportQuery.model_validate(stored), columns, params)
    return sql, params.values


def test_nothing_is_searched_for_with_an_empty_query() -> None:
    assert condition("") == (None, {})


def test_ids_are_searched_by_default() -> None:
    sql, values = condition("a_b%")
    assert sql == "(t.id ILIKE {p0:String} OR t.name ILIKE {p0:String})"
    assert values == {"p0": "%a_b%%"}


@pytest.mark.parametrize(
    ("types", "searched"),
    [
        (["id"], ["t.id", "t.name"]),
        (["input"], ["t.input"]),
        (["output"], ["t.output"]),
        (["content"], ["t.input", "t.output"]),
        (["content", "input"], ["t.input", "t.output"]),
        (["output", "id"], ["t.id", "t.name", "t.output"]),
    ],
)
def test_each_search_type_looks_where_it_says(types: list[str], searched: list[str]) -> None:
    sql, _ = condition("x", types)
    assert sql is not None
    assert [part.split(" ")[0] for part in sql.strip("()").split(" OR ")] == searched


def test_other_scripts_are_also_looked_for_as_python_writes_them() -> None:
    sql, values = condition("é", ["input"])
    assert sql == "(t.input ILIKE {p0:String} OR t.input ILIKE {p1:String})"
    assert list(values.values()) == ["%é%", "%\\u00e9%"]


def test_whole_words_are_asked_for_only_in_texts() -> None:
    sql, values = condition("Foo-bar", ["id", "input"], WORDS)
    assert sql == (
        "(e.id ILIKE {p0:String} OR (e.input ILIKE {p0:String} "
        "AND hasToken(lower(e.input), {p1:String}) AND hasToken(lower(e.input), {p2:String})))"
    )
    assert values == {"p0": "%Foo-bar%", "p1": "foo", "p2": "bar"}


def test_a_query_without_words_is_a_plain_search() -> None:
    assert condition("--", ["input"], WORDS)[0] == "(e.input ILIKE {p0:String})"


def test_characters_outside_the_first_plane_are_escaped_as_pairs() -> None:
    assert json_escaped("a👍\u007f\u0080") == "a\\ud83d\\udc4d\u007f\\u0080"


def test_at_most_sixty_four_words_are_asked_for() -> None:
    assert len(search_words(" ".join(f"w{index}" for index in range(100)))) == 64
    assert search_words("A a É é") == ("a", "É", "é")


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_no_text_of_a_user_reaches_the_sql(query: str) -> None:
    sql, values = condition(f"Ω{query}", ["id", "content"], WORDS)
    assert sql is not None
    assert "Ω" not in sql
    assert any("Ω" in value for value in values.values())
