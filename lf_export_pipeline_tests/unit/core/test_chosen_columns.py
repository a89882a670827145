"""What an export leaves out is in none of the statements that read its rows."""

from typing import Any

import pytest

from lf_export_pipeline.core.parsing import compiled_unanswered
from lf_export_pipeline.core.query.export_query import ExportQuery
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline_tests.unit.core.test_left_out_columns import asked

TABLES = sorted(set(table_names()) - {"numbers"})
PAYLOAD = {
    "input": ("t.input",),
    "output": ("t.output",),
    "expectedOutput": ("t.expected_output",),
    "metadata": ("t.metadata", "t.metadata_names", "t.metadata_values"),
    "statusMessage": ("t.status_message",),
    "modelParameters": ("t.model_parameters",),
    "toolCallNames": ("t.tool_call_names",),
    "comment": ("t.comment",),
    "stringValue": ("t.string_value",),
    "before": ("t.before",),
    "after": ("t.after",),
}


def compiled(options: dict[str, Any], table: str, **query: Any) -> ExportQuery:
    return compiled_unanswered(asked(options, table, **query))


def statements(query: ExportQuery) -> str:
    own = (query.chunk_rows, query.sample, *(lookup.statement for lookup in query.lookups))
    return "\n".join(each.sql for each in own if each)


def lookups(query: ExportQuery) -> list[str]:
    return [name for lookup in query.lookups for name in lookup.defaults]


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_columns_that_are_left_out_are_not_read(table: str, events: bool) -> None:
    names = [column.name for column in table_source(table).columns]
    for name in PAYLOAD.keys() & names:
        whole = statements(compiled({}, table, useEventsTable=events))
        rest = statements(compiled({"without": [name]}, table, useEventsTable=events))
        assert any(sql in whole for sql in PAYLOAD[name])
        assert not any(sql in rest for sql in PAYLOAD[name])
        assert f'"{name}"' not in rest
        assert not any(f"`{field}`" in rest for field in (name, f"{name}#json"))


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_with_nothing_left_out_all_statements_are_as_ever(table: str, events: bool) -> None:
    plain = compiled_unanswered(asked(None, table, useEventsTable=events))
    every = [column.name for column in table_source(table).columns]
    scores = ["scores"] if table_source(table).has_score_columns else []
    chosen = compiled({"columns": [*every, *scores]}, table, useEventsTable=events)
    assert statements(plain) == statements(chosen)
    assert plain.columns == chosen.columns


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ("traces", ["id", "name"], []),
        ("traces", ["comments"], ["comments"]),
        ("observations", ["id", "input"], []),
        ("observations", ["id", "modelId"], ["modelId"]),
        ("observations", ["traceTags", "usage"], ["inputPrice", "outputPrice", "totalPrice"]),
        ("events", ["core"], []),
        ("scores", ["value", "userId"], ["userId"]),
        ("scores", ["authorUserName"], ["authorUserName"]),
        ("sessions", ["id", "public"], ["public"]),
        ("sessions", ["countTraces"], []),
        ("dataset_run_items", ["id"], []),
        ("dataset_run_items", ["datasetName"], ["datasetName"]),
    ],
)
def test_a_lookup_is_made_for_the_columns_that_are_left(
    table: str, columns: list[str], expected: list[str]
) -> None:
    found = lookups(compiled({"columns": columns}, table))
    assert [name for name in found if not name.startswith("trace")] == expected
    key_fields = {lookup.key for lookup in compiled({"columns": columns}, table).lookups}
    sql = compiled({"columns": columns}, table).chunk_rows
    assert sql is not None
    assert all(f"`{key}`" in sql.sql for key in key_fields)


@pytest.mark.parametrize("table", ["traces", "observations", "events"])
def test_without_score_columns_nobody_asks_for_scores(table: str) -> None:
    source, limits = table_source(table), ExportLimits()
    request = asked({"without": ["scores", "comments"]}, table)
    assert source.preflight_queries(request, limits) == {}
    query = source.compile(request, {}, limits)
    assert "scores" not in statements(query)
    assert (query.score_columns, query.score_types) == ((), ())
    comments = asked({"without": ["scores"]}, table)
    assert list(source.preflight_queries(comments, limits)) == ["comment_count"]


def test_a_score_that_is_named_like_a_column_that_is_left_out_keeps_its_name() -> None:
    answers: dict[str, list[tuple[object, ...]]] = {"score_names": [("input",), ("quality",)]}
    request = asked({"without": ["input"]})
    query = table_source("traces").compile(request, answers, ExportLimits())
    assert query.score_columns == ("scores.input", "quality")


def test_costs_of_sessions_are_added_up_for_their_columns_alone() -> None:
    assert "observations" in statements(compiled({"columns": ["totalCost"]}, "sessions"))
    assert "observations" not in statements(compiled({"columns": ["id"]}, "sessions"))


def test_a_table_that_forgets_what_is_left_out_makes_no_query() -> None:
    plain = compiled({}, "traces")
    request = asked({"without": ["input"]})
    with pytest.raises(ValueError, match="has not left out"):
        ExportQuery.model_validate({**dict(plain), "request": request})
