import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.compiler import (
    FilterColumn,
    FilterTable,
    ValueType,
    compile_filter,
    compile_filters,
)
from lf_export_pipeline.core.query.statement import PARAM_MAX_BYTES, Params
from lf_export_pipeline.core.request.filters import Filter

FILTER: TypeAdapter[Filter] = TypeAdapter(Filter)
STRING = ValueType.STRING
TABLE = FilterTable(
    "traces",
    (
        FilterColumn(("id", "ID"), "t.id", STRING, checked_as="id"),
        FilterColumn(("name", "Name"), "t.name", STRING),
        FilterColumn(
            ("userId", "User ID"), "t.user_id", STRING, checked_as="userId", nullable=True
        ),
        FilterColumn(
            ("environment",), "t.env", STRING, checked_as="environment", ui_type="stringOptions"
        ),
        FilterColumn(("timestamp",), "t.timestamp", ValueType.DATETIME, checked_as="timestamp"),
        FilterColumn(("bookmarked", "⭐️"), "t.b", ValueType.BOOLEAN, checked_as="bookmarked"),
        FilterColumn(("tags",), "t.tags", ValueType.STRING_ARRAY),
        FilterColumn(("traceTags",), "t.tags", ValueType.STRING_ARRAY, checked_as="traceTags"),
        FilterColumn(("metadata",), "t.metadata", ValueType.STRING_MAP, checked_as="metadata"),
        FilterColumn(("eventMetadata",), "(t.names, t.vals)", ValueType.NAMED_ARRAYS),
        FilterColumn(("latency",), "o.latency", ValueType.NUMBER, relation="observations"),
        FilterColumn(("scores_avg",), "s.numbers", ValueType.SCORE_NUMBERS, relation="scores"),
        FilterColumn(("score_categories",), "s.texts", ValueType.SCORE_CATEGORIES),
        FilterColumn(("score_booleans",), "s.flags", ValueType.SCORE_BOOLEANS),
    ),
)
VALUES: dict[str, dict[str, Any]] = {
    "datetime": {"operator": ">", "value": 0},
    "string": {"operator": "=", "value": "x"},
    "number": {"operator": "=", "value": 1},
    "stringOptions": {"operator": "any of", "value": ["x"]},
    "categoryOptions": {"operator": "any of", "key": "k", "value": ["x"]},
    "arrayOptions": {"operator": "any of", "value": ["x"]},
    "stringObject": {"operator": "=", "key": "k", "value": "x"},
    "numberObject": {"operator": "=", "key": "k", "value": 1},
    "booleanObject": {"operator": "=", "key": "k", "value": True},
    "boolean": {"operator": "=", "value": True},
}


def wanted(kind: str, column: str, **changes: Any) -> Filter:
    return FILTER.validate_python(
        {"type": kind, "column": column, **VALUES.get(kind, {}), **changes}
    )


def refusal(wanted: Filter) -> str:
    with pytest.raises(InvalidFilterError) as caught:
        compile_filter(wanted, TABLE, Params())
    return caught.value.user_message


def test_filters_become_conditions_in_their_order_with_their_relations() -> None:
    params = Params()
    filters = [wanted("string", "User ID"), wanted("number", "latency", value=1.5)]
    first, second = compile_filters(filters, TABLE, params)
    assert (first.sql, first.relation) == ("t.user_id = {p0:String}", None)
    assert (second.sql, second.relation) == ("o.latency = {p1:Decimal(76, 38)}", "observations")
    assert params.values == {"p0": "x", "p1": f"1.5{'0' * 37}"}


def test_an_unknown_column_is_named_together_with_what_is_close() -> None:
    sentence = refusal(wanted("string", "user_id"))
    assert sentence == (
        "Column user_id does not match a UI / CH table mapping. Did you mean userId?"
    )


def test_a_column_that_is_close_to_nothing_gets_the_list() -> None:
    sentence = refusal(wanted("string", "\n" + "q" * 5000))
    assert "does not match a UI / CH table mapping. Columns of traces: id, name, userId" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 500


def test_column_names_are_case_sensitive() -> None:
    assert "does not match" in refusal(wanted("string", "USERID"))


def test_an_order_by_an_unknown_column_is_refused() -> None:
    assert TABLE.order_column("Name").expression == "t.name"
    with pytest.raises(InvalidFilterError, match=r"^Invalid order by column: nme\. Did you mean"):
        TABLE.order_column("nme")


@pytest.mark.parametrize(
    ("kind", "column", "expected"),
    [
        ("number", "userId", "string"),
        ("arrayOptions", "User ID", "string"),
        ("number", "environment", "stringOptions"),
        ("string", "timestamp", "datetime"),
        ("string", "⭐️", "boolean"),
        ("string", "traceTags", "arrayOptions"),
        ("categoryOptions", "traceTags", "arrayOptions"),
        ("string", "metadata", "stringObject"),
    ],
)
def test_a_checked_column_refuses_other_types_in_the_words_of_the_original(
    kind: str, column: str, expected: str
) -> None:
    assert refusal(wanted(kind, column)) == (
        f"Invalid filter type '{kind}' for column '{column}'. Expected filter type '{expected}'."
    )


APPLICABLE = {
    "name": {"string", "stringOptions"},
    "latency": {"number", "boolean"},
    "timestamp": {"datetime"},
    "tags": {"arrayOptions", "stringOptions", "categoryOptions", "booleanObject"},
    "traceTags": {"arrayOptions", "stringOptions"},
    "metadata": {"stringObject"},
    "eventMetadata": {"stringObject"},
    "bookmarked": {"boolean"},
    "userId": {"string", "stringOptions"},
}


@pytest.mark.parametrize("column", APPLICABLE)
@pytest.mark.parametrize("kind", VALUES)
def test_a_filter_applies_where_the_engine_could_apply_it(column: str, kind: str) -> None:
    if kind in APPLICABLE[column]:
        assert compile_filter(wanted(kind, column), TABLE, Params()).sql
    else:
        assert refusal(wanted(kind, column)).startswith(
            f"Invalid filter type '{kind}' for column '"
        )


@pytest.mark.parametrize("column", sorted(APPLICABLE))
def test_a_null_filter_is_never_checked(column: str) -> None:
    compile_filter(wanted("null", column, operator="is null", value=""), TABLE, Params())


@pytest.mark.parametrize("column", ["scores", "Scores", "SCORES"])
@pytest.mark.parametrize(
    ("kind", "expression"),
    [
        ("numberObject", "s.numbers"),
        ("categoryOptions", "s.texts"),
        ("booleanObject", "s.flags"),
    ],
)
def test_the_old_score_column_stands_for_three(column: str, kind: str, expression: str) -> None:
    assert expression in compile_filter(wanted(kind, column), TABLE, Params()).sql


def test_the_old_score_column_refuses_other_types_in_the_words_of_the_original() -> None:
    assert refusal(wanted("string", "scores")) == (
        "Invalid filter type 'string' for legacy score column 'scores'. "
        "Expected one of 'categoryOptions', 'numberObject', or 'booleanObject'."
    )


def test_a_table_without_scores_does_not_know_the_old_column() -> None:
    table = FilterTable("scores", (FilterColumn(("value",), "s.value", ValueType.NUMBER),))
    with pytest.raises(InvalidFilterError, match="Column scores does not match"):
        compile_filter(wanted("numberObject", "scores"), table, Params())


def test_a_position_in_the_trace_is_refused_and_not_ignored() -> None:
    position = wanted("positionInTrace", "any", operator="=", key="root")
    assert refusal(position).startswith("The filter on the position in the trace (root) cannot be")


def test_the_first_mapping_of_a_name_wins() -> None:
    table = FilterTable(
        "t", (FilterColumn(("a", "x"), "1", STRING), FilterColumn(("b", "x"), "2", STRING))
    )
    assert table.column("x").expression == "1"


@pytest.mark.parametrize(
    "column", ["", "id)", "t.id", "id'; DROP TABLE traces --", "{p0:String}", "1 OR 1=1", "id\x00"]
)
@pytest.mark.parametrize("kind", sorted(VALUES))
def test_a_hostile_column_name_is_only_ever_looked_up(kind: str, column: str) -> None:
    assert "does not match a UI / CH table mapping" in refusal(wanted(kind, column))
    with pytest.raises(InvalidFilterError, match="Invalid order by column"):
        TABLE.order_column(column)


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: f"Ω'\\{{{text}")


@given(HOSTILE, HOSTILE, st.sampled_from(sorted(VALUES)), st.data())
def test_no_text_of_a_user_reaches_the_sql(
    key: str, value: str, kind: str, data: st.DataObject
) -> None:
    columns = [name for name, kinds in APPLICABLE.items() if kind in kinds] or ["scores"]
    column = data.draw(st.sampled_from(columns))
    tame, hostile = wanted(kind, column), dict(VALUES[kind])
    if "key" in hostile:
        hostile["key"] = key
    if isinstance(hostile["value"], str):
        hostile["value"] = value
    elif isinstance(hostile["value"], list):
        hostile["value"] = [value, key]
    sql = compile_filter(wanted(kind, column, **hostile), TABLE, Params()).sql
    assert "Ω" not in sql
    assert _shape(sql) == _shape(compile_filter(tame, TABLE, Params()).sql)


def _shape(sql: str) -> str:
    """The SQL without the numbers of its placeholders: equal values share one."""
    return re.sub(r"\{p\d+:", "{p:", sql)


@pytest.mark.parametrize("kind", ["string", "stringOptions", "stringObject"])
def test_a_long_value_is_bound_in_pieces_that_the_server_takes(kind: str) -> None:
    long = "".join(chr(0x4E00 + index % 20_000) for index in range(PARAM_MAX_BYTES))
    column = "metadata" if kind == "stringObject" else "name"
    value: Any = [long, long] if kind == "stringOptions" else long
    params = Params()
    sql = compile_filter(wanted(kind, column, value=value), TABLE, params).sql
    assert sql.isascii()
    assert all(len(piece.encode()) <= PARAM_MAX_BYTES for piece in params.values.values())
    assert len(params.values) > 3
