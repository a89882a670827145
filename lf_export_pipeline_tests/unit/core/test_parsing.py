from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.file_defaults import FileDefaults
from lf_export_pipeline.core.request.filters import (
    DatetimeFilter,
    NumberFilter,
    PositionInTraceFilter,
)
from lf_export_pipeline.core.request.model import (
    ExportFormat,
    ExportRequest,
    OrderBy,
    SearchType,
    StoredExport,
)
from lf_export_pipeline.core.request.options import Compression

CREATED = datetime(2031, 3, 20, 12, tzinfo=UTC)
FORMATS = "CSV, JSON, JSONL, PARQUET"
MINIMAL: dict[str, Any] = {"tableName": "traces", "filter": [], "orderBy": None}


def stored(query: Any, **changes: Any) -> StoredExport:
    row: dict[str, Any] = {
        "id": "export-1",
        "project_id": "project-1",
        "user_id": "user-1",
        "created_at": CREATED,
        "updated_at": CREATED,
        "name": "my export",
        "status": "QUEUED",
        "format": "CSV",
        "query": query,
    }
    return StoredExport(**row | changes)


def request_for(**query: Any) -> ExportRequest:
    return parse_request(stored(MINIMAL | query))


def refusal(query: Any, **changes: Any) -> str:
    with pytest.raises(InvalidQueryError) as caught:
        parse_request(stored(query, **changes))
    return caught.value.user_message


def filter_refusal(**wanted: Any) -> str:
    return refusal(MINIMAL | {"filter": [wanted]})


def test_a_minimal_query_becomes_a_request() -> None:
    request = request_for()
    assert (request.export_id, request.project_id, request.user_id) == (
        "export-1",
        "project-1",
        "user-1",
    )
    assert (request.created_at, request.format) == (CREATED, ExportFormat.CSV)
    assert request.query.table == "traces"
    assert request.query.filter == ()
    assert request.query.order_by is None
    assert (request.query.search_query, request.query.search_type) == ("", (SearchType.ID,))
    assert not request.query.use_events_table


def test_a_full_query_becomes_a_request() -> None:
    query = request_for(
        orderBy={"column": "name", "order": "DESC"},
        searchQuery="needle",
        searchType=["content", "id"],
        useEventsTable=True,
        limit=10,
        page=0,
        unknown="key",
    ).query
    assert query.order_by == OrderBy(column="name", order="DESC")
    assert (query.search_query, query.use_events_table) == ("needle", True)
    assert query.search_type == (SearchType.CONTENT, SearchType.ID)


def test_a_null_filter_is_no_filter() -> None:
    assert request_for(filter=None).query.filter == ()


def test_an_empty_search_needs_no_search_type() -> None:
    assert request_for(searchQuery="", searchType=[]).query.search_type == ()


EVERY_FILTER: list[dict[str, Any]] = [
    {"type": "datetime", "operator": ">", "value": "2031-03-01T00:00:00Z"},
    {"type": "string", "operator": "does not contain", "value": ""},
    {"type": "number", "operator": "<=", "value": 1.5},
    {"type": "stringOptions", "operator": "none of", "value": [""]},
    {"type": "categoryOptions", "operator": "any of", "key": "k", "value": []},
    {"type": "arrayOptions", "operator": "all of", "value": []},
    {"type": "arrayOptions", "operator": "none of", "value": []},
    {"type": "stringObject", "operator": "ends with", "key": "", "value": "x"},
    {"type": "numberObject", "operator": "=", "key": "k", "value": -0.0},
    {"type": "booleanObject", "operator": "<>", "key": "k", "value": False},
    {"type": "boolean", "operator": "=", "value": True},
    {"type": "null", "operator": "is not null", "value": ""},
    {"type": "positionInTrace", "operator": "=", "key": "root"},
    {"type": "positionInTrace", "operator": "=", "key": "nthFromEnd", "value": 2},
]


@pytest.mark.parametrize("wanted", EVERY_FILTER, ids=lambda wanted: wanted["type"])
def test_every_filter_type_is_understood_and_survives_its_own_json(wanted: dict[str, Any]) -> None:
    request = request_for(filter=[wanted | {"column": "c", "unknown": 1}])
    (parsed,) = request.query.filter
    assert parsed.type == wanted["type"]
    assert ExportRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (9007199254740993, Decimal(9007199254740993)),
        (0.1, Decimal("0.1")),
        (1e-300, Decimal("1e-300")),
        (10**400, Decimal(10) ** 400),
        (float("inf"), Decimal("Infinity")),
        (Decimal("0.1000000000000000000001"), Decimal("0.1000000000000000000001")),
    ],
)
def test_a_number_keeps_all_its_digits(typed: Any, kept: Decimal) -> None:
    wanted = {"type": "number", "column": "latency", "operator": "=", "value": typed}
    request = request_for(filter=[wanted])
    (parsed,) = ExportRequest.model_validate_json(request.model_dump_json()).query.filter
    assert isinstance(parsed, NumberFilter)
    assert parsed.value == kept


def test_an_instant_is_utc_and_cut_to_milliseconds() -> None:
    wanted = {"type": "datetime", "column": "timestamp", "operator": ">"}
    (parsed,) = request_for(
        filter=[wanted | {"value": "2031-03-01T02:00:00.123999+02:00"}]
    ).query.filter
    assert isinstance(parsed, DatetimeFilter)
    assert parsed.value == datetime(2031, 3, 1, 0, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("nope", "The stored query is 'nope'; expected an object."),
        (None, "The stored query is null; expected an object."),
        ([], "The stored query is an empty list; expected an object."),
        ({}, "'tableName' is missing; expected the name of a table."),
        ({"tableName": 5, "filter": [], "orderBy": None}, "'tableName' is 5; expected a text."),
        (MINIMAL | {"tableName": "nonsense"}, "The table 'nonsense' cannot be exported;"),
        (MINIMAL | {"tableName": "datasets"}, "datasets cannot be exported"),
        ({"tableName": "traces", "orderBy": None}, "'filter' is missing; expected null or a list"),
        ({"tableName": "traces", "filter": []}, "'orderBy' is missing; expected null or an object"),
        (MINIMAL | {"filter": {}}, "'filter' is an object; expected a list."),
        (MINIMAL | {"orderBy": "name"}, "'orderBy' is 'name'; expected an object."),
        (MINIMAL | {"orderBy": {"column": "c"}}, "'order' is missing; expected ASC or DESC."),
        (
            MINIMAL | {"orderBy": {"column": "c", "order": "asc"}},
            "'order' is 'asc'; expected one of ASC, DESC.",
        ),
        (MINIMAL | {"searchQuery": None}, "'searchQuery' is null; expected a text."),
        (
            MINIMAL | {"searchType": ["all"]},
            "'searchType' is 'all'; expected one of id, content, input, output.",
        ),
        (
            MINIMAL | {"searchQuery": "x", "searchType": []},
            "'searchType' is an empty list; expected at least one of id, content, input, output.",
        ),
        (
            MINIMAL | {"useEventsTable": "true"},
            "'useEventsTable' is 'true'; expected true or false.",
        ),
        (MINIMAL | {"limit": "10"}, "'limit' is '10'; expected a number."),
    ],
)
def test_a_bad_query_ends_in_a_sentence(query: Any, expected: str) -> None:
    assert expected in refusal(query)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"column": "name", "operator": "=", "value": "x"}, "'type' is missing"),
        ({"type": "xx", "column": "name"}, "the type 'xx' is not known; expected one of datetime,"),
        ({"type": "string", "operator": "=", "value": "x"}, "'column' is missing"),
        (
            {"type": "string", "column": "name", "operator": "matches", "value": "x"},
            "the operator 'matches' is not known for a string filter; "
            "expected one of =, contains, does not contain, starts with, ends with.",
        ),
        (
            {"type": "number", "column": "latency", "operator": "between", "value": 1},
            "Filter 1 (column 'latency'): the operator 'between' is not known for a number filter; "
            "expected one of =, >, <, >=, <=.",
        ),
        (
            {"type": "datetime", "column": "timestamp", "operator": "=", "value": 0},
            "the operator '=' is not known for a datetime filter; expected one of >, <, >=, <=.",
        ),
        (
            {"type": "datetime", "column": "timestamp", "operator": ">", "value": "not a date"},
            "'value' is 'not a date'; expected a date and time such as 2031-03-01T00:00:00Z.",
        ),
        ({"type": "datetime", "column": "timestamp", "operator": ">"}, "'value' is missing"),
        (
            {"type": "number", "column": "latency", "operator": ">", "value": "1"},
            "'value' is '1'; expected a number.",
        ),
        (
            {"type": "number", "column": "latency", "operator": ">", "value": True},
            "'value' is true; expected a number.",
        ),
        (
            {"type": "numberObject", "column": "metadata", "key": "k", "operator": ">"}
            | {"value": {"value": 5}},
            "'value' is an object; expected a number.",
        ),
        (
            {"type": "number", "column": "latency", "operator": ">", "value": float("nan")},
            "'value' is nan; expected a number.",
        ),
        (
            {"type": "stringOptions", "column": "name", "operator": "any of", "value": []},
            "'value' is an empty list; expected a list of at least one text.",
        ),
        (
            {"type": "stringOptions", "column": "name", "operator": "any of", "value": [1]},
            "'value' is 1; expected a text.",
        ),
        (
            {"type": "stringOptions", "column": "name", "operator": "any of", "value": "x"},
            "'value' is 'x'; expected a list.",
        ),
        (
            {"type": "arrayOptions", "column": "tags", "operator": "any of", "value": []},
            "'value' is an empty list; expected a list of at least one text.",
        ),
        (
            {"type": "null", "column": "userId", "operator": "is null", "value": "x"},
            "'value' is 'x'; expected an empty text.",
        ),
        (
            {"type": "boolean", "column": "bookmarked", "operator": "=", "value": 1},
            "'value' is 1; expected true or false.",
        ),
        (
            {"type": "numberObject", "column": "scores", "operator": "=", "value": 1},
            "'key' is missing; expected a name.",
        ),
        (
            {"type": "positionInTrace", "column": "p", "operator": "=", "key": "nthFromEnd"},
            "'value' is null; expected a whole number of at least 1.",
        ),
        (
            {"type": "positionInTrace", "column": "p", "operator": "=", "key": "second"},
            "'key' is 'second'; expected one of root, first, last, nthFromEnd, nthFromStart.",
        ),
        (
            {"type": "string", "column": "name", "operator": "=", "value": "\ud800"},
            "expected a text of valid characters.",
        ),
    ],
)
def test_a_bad_filter_ends_in_a_sentence_that_names_it(wanted: Any, expected: str) -> None:
    sentence = filter_refusal(**wanted)
    assert sentence.startswith("Filter 1")
    assert expected in sentence


@pytest.mark.parametrize("value", [0, 0.5, 1.5, -1, Decimal("1e20") + Decimal("0.5")])
def test_a_position_counts_in_whole_numbers_from_one(value: float | Decimal) -> None:
    wanted = {"type": "positionInTrace", "column": "p", "operator": "=", "key": "nthFromStart"}
    assert f"'value' is {value}; expected a whole number" in filter_refusal(**wanted, value=value)


@pytest.mark.parametrize("value", [10**400, Decimal("1e400"), float("inf")])
def test_a_position_may_be_of_any_size(value: object) -> None:
    wanted = {"type": "positionInTrace", "column": "p", "operator": "=", "key": "nthFromEnd"}
    (read,) = request_for(filter=[wanted | {"value": value}]).query.filter
    assert isinstance(read, PositionInTraceFilter)
    assert read.value == value


def test_the_sentence_counts_filters_from_one() -> None:
    good = EVERY_FILTER[1] | {"column": "name"}
    assert (
        refusal(MINIMAL | {"filter": [good, good, 7]}) == "Filter 3: it is 7; expected an object."
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "XML"}, f"The format 'XML' is not known; expected one of {FORMATS}."),
        ({"format": "csv"}, f"The format 'csv' is not known; expected one of {FORMATS}."),
        ({"id": ""}, "The export id is empty."),
        ({"id": "a,b"}, "The export id 'a,b' holds a comma or a control character"),
        ({"id": "a\nb"}, "The export id 'a\\nb' holds a comma or a control character"),
        ({"project_id": ""}, "The project id is empty."),
        ({"id": "x" * 201}, "has 201 characters; expected at most 200."),
    ],
)
def test_a_bad_row_ends_in_a_sentence(change: dict[str, Any], expected: str) -> None:
    assert expected in refusal(MINIMAL, **change)


@pytest.mark.parametrize("project", ["a,b", "a\nb\x7f", "a...b", "x" * 5_000, " ", "é/日"])
def test_a_project_may_have_any_id_since_dagster_has_it_in_tags_only(project: str) -> None:
    assert parse_request(stored(MINIMAL, project_id=project)).project_id == project


def test_an_id_of_two_hundred_odd_characters_is_fine() -> None:
    name = "é 日/:'\"" + "x" * 193
    assert parse_request(stored(MINIMAL, id=name)).export_id == name


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=80)
    | st.sampled_from(["traces", "datasets", "name", "=", "any of", "root", "ASC", ""]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
TYPES = [wanted["type"] for wanted in EVERY_FILTER]
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | JSON,
        "column": JSON,
        "key": JSON,
        "operator": st.sampled_from([wanted["operator"] for wanted in EVERY_FILTER]) | JSON,
        "value": JSON,
    },
)
QUERIES = st.fixed_dictionaries(
    {"tableName": st.just("traces") | JSON},
    optional={
        "filter": st.lists(FILTERS | JSON, max_size=3) | JSON,
        "orderBy": st.none() | JSON,
        "searchQuery": JSON,
        "searchType": JSON,
        "useEventsTable": JSON,
        "limit": JSON,
    },
)


@given(QUERIES | JSON)
@example({"tableName": "x" * 10_000})
@example(MINIMAL | {"filter": [{"type": "t" * 10_000, "column": "c\n" * 1000}]})
@example(MINIMAL | {"filter": [{"type": ["string"], "column": "c"}]})
@example(MINIMAL | {"searchQuery": "half \udc00 a character"})
@example(MINIMAL | {"limit": 10**5000, "page": "x\n"})
@example(
    MINIMAL | {"filter": [{"type": "boolean", "operator": "=", "column": "c", "value": 10**5000}]}
)
def test_any_json_is_read_or_refused_in_one_line(query: Any) -> None:
    with suppress(InvalidQueryError):
        request = parse_request(stored(query))
        assert ExportRequest.model_validate_json(request.model_dump_json()) == request
        return
    sentence = refusal(query)
    assert 0 < len(sentence) < 500
    assert sentence.isprintable()
    assert "pydantic" not in sentence


def parsed_as(file_format: str, options: dict[str, str] | None, **defaults: Any) -> tuple[str, str]:
    """Format and compression of a file, as the row and the installation have it."""
    query = MINIMAL if options is None else MINIMAL | {"lfExport": options}
    row = stored(query, format=file_format)
    request = parse_request(row, defaults=FileDefaults(**defaults))
    return (request.format, request.compression)


def test_jsonl_of_the_dialog_is_parquet_in_the_projects_that_have_it_so() -> None:
    here, everywhere = ({"parquet_projects": frozenset({name})} for name in ("project-1", "*"))
    elsewhere = {"parquet_projects": frozenset({"project-2"})}
    assert parsed_as("JSONL", None, **here) == ("PARQUET", "none")
    assert parsed_as("JSONL", {}, **everywhere) == ("PARQUET", "none")
    assert parsed_as("JSONL", None, **elsewhere) == ("JSONL", "none")
    assert parsed_as("JSON", None, **everywhere) == ("JSON", "none")
    assert parsed_as("JSONL", {"compression": "gzip"}, **here) == ("JSONL", "gzip")
    assert parsed_as("JSONL", {"compression": "none"}, **here) == ("JSONL", "none")


def test_parquet_is_compressed_in_its_own_way_and_no_other() -> None:
    for asked in (None, {}, {"compression": "zstd"}, {"compression": "none"}):
        assert parsed_as("PARQUET", asked, compression=Compression.GZIP) == ("PARQUET", "none")
    sentence = refusal(MINIMAL | {"lfExport": {"compression": "gzip"}}, format="PARQUET")
    assert sentence.startswith("A Parquet file cannot be compressed with gzip")
