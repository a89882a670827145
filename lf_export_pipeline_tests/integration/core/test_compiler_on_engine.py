"""Compiled conditions on the real ClickHouse engine: which rows they let through."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Protocol

import pytest
from chdb import session
from clickhouse_connect.driver.binding import bind_query
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lf_export_pipeline.core.query.compiler import (
    FilterColumn,
    FilterTable,
    NumberKind,
    ValueType,
    compile_filter,
)
from lf_export_pipeline.core.query.search import SearchColumns, search_condition, search_words
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.request.filters import Filter
from lf_export_pipeline.core.request.model import BatchExportQuery

ROWS = """
SELECT * FROM VALUES(
'id String, name String, note Nullable(String), tags Array(String),
 meta Map(LowCardinality(String), String), names Array(String), vals Array(String),
 tokens UInt64, cost Nullable(Decimal(18, 12)), ratio Float64,
 seen DateTime64(6), public Bool,
 score_numbers Array(Tuple(String, Float64)), score_texts Array(Tuple(String, String)),
 score_flags Array(Tuple(String, String))',
('plain', 'chat', 'abc', ['prod'], map('k', 'value', 'empty', ''), ['a', 'b', 'a'], ['1', '2', '3'],
 7, 0.5, 0.7, '2031-03-01 00:00:00.000000', true,
 [('accuracy', 0.1), ('helpful', 1)], [('tone', 'good'), ('a:b', 'c')], [('helpful', 'true')]),
('odd', '日本 \\'q\\' %_\\\\', '', ['prod', 'it\\'s'], map('k', 'Value 😀'), ['b'], ['x'],
 18446744073709551615, toDecimal64('1.000000000001', 12), inf, '2031-03-01 00:00:00.123456', false,
 [('accuracy', 0.9), ('2', 2)], [('tone', 'bad'), ('a', 'b:c')], [('helpful', 'false')]),
('empty', '', NULL, [], map(), [], [],
 0, NULL, nan, '1970-01-01 00:00:00.000000', false, [], [], []),
('big', 'Chat', 'ABC', ['a,b', ''], map('', 'nameless'), [''], ['nameless'],
 9007199254740993, toDecimal64('999999.999999999999', 12), -1e300, '2299-12-31 23:59:59.999999',
 true, [('accuracy', 5)], [('tone', 'good'), ('tone', 'bad')],
 [('helpful', 'true'), ('helpful', 'false')]))
"""
EVERYONE = {"plain", "odd", "empty", "big"}
STRING, NUMBER = ValueType.STRING, ValueType.NUMBER
TABLE = FilterTable(
    "things",
    (
        FilterColumn(("id",), "t.id", STRING, checked_as="id"),
        FilterColumn(("name", "Name"), "t.name", STRING),
        FilterColumn(("note", "Note"), "t.note", STRING, nullable=True),
        FilterColumn(("eenote",), "t.note", STRING, nullable=True, empty_equals_null=True),
        FilterColumn(("tags", "Tags"), "t.tags", ValueType.STRING_ARRAY),
        FilterColumn(("metadata",), "t.meta", ValueType.STRING_MAP, checked_as="metadata"),
        FilterColumn(("arrays",), "(t.names, t.vals)", ValueType.NAMED_ARRAYS),
        FilterColumn(("tokens",), "t.tokens", NUMBER),
        FilterColumn(("cost",), "t.cost", NUMBER, nullable=True),
        FilterColumn(("ratio",), "t.ratio", NUMBER, number_kind=NumberKind.FLOAT),
        FilterColumn(("timestamp",), "t.seen", ValueType.DATETIME),
        FilterColumn(("public",), "t.public", ValueType.BOOLEAN),
        FilterColumn(("scores_avg",), "t.score_numbers", ValueType.SCORE_NUMBERS),
        FilterColumn(("score_categories",), "t.score_texts", ValueType.SCORE_CATEGORIES),
        FilterColumn(("score_booleans",), "t.score_flags", ValueType.SCORE_BOOLEANS),
    ),
)
FILTER: TypeAdapter[Filter] = TypeAdapter(Filter)

THINGS = "compiler_test.things"


class Ask(Protocol):
    """Runs a condition over the rows of a table or a subquery, and gives the ids that pass."""

    def __call__(self, condition: str, params: Params, rows: str = THINGS) -> set[str]: ...


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    engine: Any = session.Session()  # type: ignore[no-untyped-call]
    engine.query("CREATE DATABASE compiler_test")
    engine.query(f"CREATE TABLE {THINGS} ENGINE = MergeTree ORDER BY id AS {ROWS}")

    def ids(condition: str, params: Params, rows: str = THINGS) -> set[str]:
        sql, bound = bind_query(f"SELECT id FROM {rows} AS t WHERE {condition}", params.values)
        on_the_wire = {name.removeprefix("param_"): value for name, value in bound.items()}
        return set(str(engine.query(sql, "TSV", params=on_the_wire)).split())

    yield ids
    engine.query("DROP DATABASE compiler_test")
    engine.close()


def matched(ask: Ask, **wanted: Any) -> set[str]:
    params = Params()
    return ask(compile_filter(FILTER.validate_python(wanted), TABLE, params).sql, params)


def case(column: str, kind: str, operator: str, value: Any, expected: set[str], **more: Any) -> Any:
    wanted = {"type": kind, "column": column, "operator": operator, "value": value, **more}
    return pytest.param(wanted, expected, id=f"{column} {kind} {operator} {str(value)[:30]}{more}")


def text(column: str, operator: str, value: str, *expected: str) -> Any:
    return case(column, "string", operator, value, set(expected))


def options(column: str, operator: str, value: list[str], *expected: str) -> Any:
    return case(column, "stringOptions", operator, value, set(expected))


def category(operator: str, value: list[str], *expected: str) -> Any:
    return case("score_categories", "categoryOptions", operator, value, set(expected), key="tone")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        text("name", "=", "chat", "plain"),
        text("Name", "=", "日本 'q' %_\\", "odd"),
        text("name", "contains", "ha", "plain", "big"),
        text("name", "contains", "%", "odd"),
        text("name", "contains", "", *EVERYONE),
        text("name", "does not contain", "hat", "odd", "empty"),
        text("name", "does not contain", ""),
        text("name", "starts with", "日", "odd"),
        text("name", "ends with", "\\", "odd"),
        text("name", "ends with", "", *EVERYONE),
        text("note", "=", "", "odd"),
        text("note", "contains", "", "plain", "odd", "big"),
        text("note", "does not contain", "b", "odd", "big"),
        text("eenote", "=", "", "odd", "empty"),
        text("eenote", "contains", "", "odd", "empty"),
        text("eenote", "starts with", "", "odd", "empty"),
        text("eenote", "ends with", "", "odd", "empty"),
        text("eenote", "contains", "b", "plain"),
        text("eenote", "does not contain", "b", "big"),
        text("eenote", "does not contain", ""),
        options("name", "any of", ["chat", "Chat", "nobody"], "plain", "big"),
        options("name", "none of", ["chat", ""], "odd", "big"),
        options("note", "any of", ["", "abc"], "plain", "odd"),
        options("note", "none of", ["abc"], "odd", "big"),
        options("eenote", "any of", ["", "abc"], "plain", "odd", "empty"),
        options("eenote", "any of", ["abc"], "plain"),
        options("eenote", "none of", ["abc"], "big"),
        options("eenote", "none of", ["", "abc"], "big"),
        options("tags", "any of", ["prod"], "plain"),
        options("tags", "any of", ["prod", "it's"], "odd"),
        options("tags", "none of", ["prod"], "odd", "empty", "big"),
        case("note", "null", "is null", "", {"empty"}),
        case("note", "null", "is not null", "", {"plain", "odd", "big"}),
        case("eenote", "null", "is null", "", {"odd", "empty"}),
        case("eenote", "null", "is not null", "", {"plain", "big"}),
        case("name", "null", "is null", "", set()),
        case("name", "null", "is not null", "", EVERYONE),
        case("tags", "null", "is null", "", set()),
        case("arrays", "null", "is not null", "", EVERYONE),
        case("tags", "arrayOptions", "any of", ["prod", "a,b"], {"plain", "odd", "big"}),
        case("Tags", "arrayOptions", "any of", ["it's"], {"odd"}),
        case("tags", "arrayOptions", "none of", ["prod"], {"empty", "big"}),
        case("tags", "arrayOptions", "none of", [], EVERYONE),
        case("tags", "arrayOptions", "all of", ["it's", "prod"], {"odd"}),
        case("tags", "arrayOptions", "all of", [], EVERYONE),
        case("public", "boolean", "=", True, {"plain", "big"}),
        case("public", "boolean", "<>", True, {"odd", "empty"}),
        case("public", "boolean", "=", False, {"odd", "empty"}),
        case("public", "number", ">", 0.5, {"plain", "big"}),
        case("tokens", "boolean", "<>", False, EVERYONE - {"empty"}),
        case("metadata", "stringObject", "=", "value", {"plain"}, key="k"),
        case("metadata", "stringObject", "=", "", {"plain"}, key="empty"),
        case("metadata", "stringObject", "=", "", set(), key="absent"),
        case("metadata", "stringObject", "=", "nameless", {"big"}, key=""),
        case("metadata", "stringObject", "contains", "alue", {"plain", "odd"}, key="k"),
        case("metadata", "stringObject", "does not contain", "v", {"odd"}, key="k"),
        case("metadata", "stringObject", "starts with", "V", {"odd"}, key="k"),
        case("metadata", "stringObject", "ends with", "😀", {"odd"}, key="k"),
        case("arrays", "stringObject", "=", "1", {"plain"}, key="a"),
        case("arrays", "stringObject", "=", "3", set(), key="a"),
        case("arrays", "stringObject", "does not contain", "2", {"odd"}, key="b"),
        case("arrays", "stringObject", "contains", "", {"plain", "odd"}, key="b"),
        case("arrays", "stringObject", "starts with", "name", {"big"}, key=""),
        case("scores_avg", "numberObject", "<", 0.5, {"plain"}, key="accuracy"),
        case("scores_avg", "numberObject", "=", 0.1, {"plain"}, key="accuracy"),
        case("Scores", "numberObject", ">=", 0.9, {"odd", "big"}, key="accuracy"),
        case("scores", "numberObject", "=", 1, {"plain"}, key="helpful"),
        case("scores_avg", "numberObject", ">", -(10**400), {"odd"}, key="2"),
        category("any of", ["good"], "plain", "big"),
        category("none of", ["good"], "odd", "empty"),
        category("any of", []),
        category("none of", [], *EVERYONE),
        case("scores", "categoryOptions", "any of", ["c"], {"plain"}, key="a:b"),
        case("scores", "categoryOptions", "any of", ["b:c"], {"odd"}, key="a"),
        case("scores", "categoryOptions", "none of", ["b:c"], EVERYONE - {"odd"}, key="a"),
        case("score_categories", "stringOptions", "any of", ["tone:bad", "a:b:c"], {"odd"}),
        case("score_booleans", "booleanObject", "=", True, {"plain", "big"}, key="helpful"),
        case("SCORES", "booleanObject", "=", False, {"odd", "big"}, key="helpful"),
        case("score_booleans", "booleanObject", "<>", True, {"odd", "empty"}, key="helpful"),
    ],
)
def test_a_filter_lets_the_right_rows_through(
    ask: Ask, wanted: dict[str, Any], expected: set[str]
) -> None:
    assert matched(ask, **wanted) == expected


HUGE = 18446744073709551615


@pytest.mark.parametrize(
    ("column", "operator", "value", "expected"),
    [
        ("tokens", "=", HUGE, {"odd"}),
        ("tokens", ">", HUGE - 1, {"odd"}),
        ("tokens", "=", 9007199254740993, {"big"}),
        ("tokens", "=", 9007199254740992, set()),
        (
            "tokens",
            ">",
            Decimal(f"6.{'9' * 50}"),
            EVERYONE - {"empty"},
        ),
        ("tokens", ">", Decimal(f"6.{'9' * 100}"), EVERYONE - {"empty"}),
        ("tokens", "<", Decimal(f"7.{'0' * 100}1"), {"empty", "plain"}),
        ("tokens", "=", 7.0, {"plain"}),
        ("tokens", ">=", -0.0, EVERYONE),
        ("tokens", "<=", -0.0, {"empty"}),
        ("tokens", ">", 1e-300, EVERYONE - {"empty"}),
        ("tokens", "<=", 1e-300, {"empty"}),
        ("tokens", "<", -1e-300, set()),
        ("tokens", ">=", -1e-300, EVERYONE),
        ("tokens", "<", float("inf"), EVERYONE),
        ("tokens", "<", 10**400, EVERYONE),
        ("tokens", ">", Decimal("-1e400"), EVERYONE),
        ("cost", "=", 0.5, {"plain"}),
        ("cost", ">", 1, {"odd", "big"}),
        ("cost", "=", Decimal("1.000000000001"), {"odd"}),
        ("cost", ">=", 1000000, set()),
        ("cost", "<", 1e6, {"plain", "odd", "big"}),
        ("cost", ">", Decimal("999999.9999999999989"), {"big"}),
        ("cost", "<", 1e30, {"plain", "odd", "big"}),
        ("cost", "<", -1e400, set()),
        ("ratio", "=", 0.7, {"plain"}),
        ("ratio", ">", 1000, {"odd"}),
        ("ratio", "<", 0, {"big"}),
        ("ratio", "<=", -1e300, {"big"}),
        ("ratio", "<", -1e299, {"big"}),
        ("ratio", "=", float("inf"), {"odd"}),
    ],
)
def test_every_number_compares_as_itself(
    ask: Ask, column: str, operator: str, value: Any, expected: set[str]
) -> None:
    assert matched(ask, type="number", column=column, operator=operator, value=value) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (">", "2031-03-01T00:00:00.123Z", {"odd", "big"}),
        (">=", "2031-03-01T00:00:00.124Z", {"big"}),
        ("<=", "2031-03-01 00:00:00.123456", {"plain", "empty"}),
        ("<", "2031-03-01T01:00:00+01:00", {"empty"}),
        (">=", None, EVERYONE),
        (">", 0, EVERYONE - {"empty"}),
        (">", 1930089600122.9, {"odd", "big"}),
        (">", "0001-01-01", EVERYONE),
        ("<", "0001-01-01", set()),
        ("<=", "9999-12-31T23:59:59.999Z", EVERYONE),
        ("<", "+275760-09-13T00:00:00.000Z", EVERYONE),
        (">", 8_640_000_000_000_000, set()),
        (">=", -8_640_000_000_000_000, EVERYONE),
        (">", "2299-12-31T23:59:59.999Z", {"big"}),
        (">=", "2300-01-01", set()),
        ("<", "1899-12-31", set()),
        (">=", "1900-01-01", EVERYONE),
    ],
)
def test_every_instant_compares_as_itself(
    ask: Ask, operator: str, value: Any, expected: set[str]
) -> None:
    found = matched(ask, type="datetime", column="timestamp", operator=operator, value=value)
    assert found == expected


def test_a_list_of_fifty_thousand_long_ids_works(ask: Ask) -> None:
    ids = [f"no-such-id-{index:040d}" for index in range(50_000)]
    wanted = {"type": "stringOptions", "column": "id"}
    assert matched(ask, **wanted, operator="any of", value=[*ids, "odd"]) == {"odd"}
    assert matched(ask, **wanted, operator="none of", value=[*ids, "odd"]) == EVERYONE - {"odd"}


def test_a_value_of_a_megabyte_works(ask: Ask) -> None:
    wanted = {"type": "string", "column": "name", "value": "日'" * 500_000}
    assert matched(ask, **wanted, operator="=") == set()
    assert matched(ask, **wanted, operator="does not contain") == EVERYONE


HOSTILE = ["'", "\\'", "{p0:String}", "\t\n\r", "\x00", "')) OR 1=1 --", "\\N", "😀\u2028", "%"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("column", ["name", "metadata", "arrays", "tags", "score_categories"])
def test_a_hostile_text_is_found_as_it_is(ask: Ask, column: str, value: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "name": {"type": "string", "operator": "="},
        "metadata": {"type": "stringObject", "operator": "=", "key": value},
        "arrays": {"type": "stringObject", "operator": "=", "key": value},
        "tags": {"type": "arrayOptions", "operator": "any of"},
        "score_categories": {"type": "categoryOptions", "operator": "any of", "key": value},
    }
    kind = kinds[column]
    listed = column in {"tags", "score_categories"}
    params = Params()
    kind |= {"column": column, "value": [value] if listed else value}
    wanted = FILTER.validate_python(kind)
    stored = params.text(value)
    row = (
        f"(SELECT 'x' AS id, {stored} AS name, map({stored}, {stored}) AS meta, "
        f"[{stored}] AS names, [{stored}] AS vals, [{stored}] AS tags, "
        f"[({stored}, {stored})] AS score_texts)"
    )
    assert ask(compile_filter(wanted, TABLE, params).sql, params, row) == {"x"}


SEARCHED = """(SELECT * FROM VALUES(
'id String, name Nullable(String), input Nullable(String), output Nullable(String)',
('one', 'chat', 'two Messages of 100%', NULL),
('two', NULL, '{"text": "\\\\u4f60\\\\u597d \\\\ud83d\\\\udc4d"}', 'a_b'),
('three', 'CHAT', 'axb', '你好 ÄB')))"""
COLUMNS = SearchColumns(id_columns=("t.id", "t.name"), input="t.input", output="t.output")
WORDS = SearchColumns(("t.id", "t.name"), "t.input", "t.output", whole_words=True)


@pytest.mark.parametrize(
    ("query", "types", "expected", "expected_words"),
    [
        ("chat", ["id"], {"one", "three"}, {"one", "three"}),
        ("t%o", ["id"], {"two"}, {"two"}),
        ("message", ["content"], {"one"}, set()),
        ("MESSAGES", ["content"], {"one"}, {"one"}),
        ("100%", ["input"], {"one"}, {"one"}),
        ("100\\%", ["input"], {"one"}, {"one"}),
        ("101\\%", ["input"], set(), set()),
        ("a_b", ["content"], {"two", "three"}, {"two"}),
        ("a\\_b", ["content"], {"two"}, {"two"}),
        ("a_b", ["output"], {"two"}, {"two"}),
        ("你好", ["content"], {"two", "three"}, {"two", "three"}),
        ("你好", ["input"], {"two"}, {"two"}),
        ("你", ["content"], {"two", "three"}, {"two"}),
        ("👍", ["input"], {"two"}, {"two"}),
        ("%", ["output"], {"two", "three"}, {"two", "three"}),
        ("\\", ["input"], {"one"}, {"one"}),
        ("chat", ["id", "input"], {"one", "three"}, {"one", "three"}),
        ("two", ["id", "content"], {"one", "two"}, {"one", "two"}),
    ],
)
def test_a_search_finds_what_the_original_finds(
    ask: Ask, query: str, types: list[str], expected: set[str], expected_words: set[str]
) -> None:
    wanted = BatchExportQuery.model_validate(
        {"tableName": "t", "filter": [], "orderBy": None, "searchQuery": query, "searchType": types}
    )
    for columns, rows in ((COLUMNS, expected), (WORDS, expected_words)):
        params = Params()
        condition = search_condition(wanted, columns, params)
        assert condition is not None
        assert ask(condition, params, SEARCHED) == rows


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30),
    st.booleans(),
)
def test_the_words_are_those_of_the_engine(ask: Ask, query: str, upper: bool) -> None:
    searched = query.upper() if upper else query
    params = Params()
    words = f"arrayDistinct(tokens(lower({params.text(searched)})))"
    ours = params.array(search_words(searched))
    assert ask(f"arraySlice({words}, 1, 64) = {ours}", params) == EVERYONE


@pytest.mark.parametrize("columns", [COLUMNS, WORDS], ids=["anywhere", "whole words"])
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_search_finds_itself(ask: Ask, value: str, columns: SearchColumns) -> None:
    wanted = BatchExportQuery.model_validate(
        {"tableName": "t", "filter": [], "orderBy": None, "searchQuery": value}
        | {"searchType": ["id", "content"]}
    )
    params = Params()
    condition = search_condition(wanted, columns, params)
    assert condition is not None
    row = f"(SELECT 'x' AS id, '' AS name, {params.text(value)} AS input, '' AS output)"
    assert ask(condition, params, row) == {"x"}
