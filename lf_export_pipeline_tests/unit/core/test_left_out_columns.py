"""Which columns an export leaves out, by what it asks for and by what the operator forbids."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.column_groups import GROUPS, SCORES, forbidden_columns
from lf_export_pipeline.core.request.file_defaults import FileDefaults
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables import column_names, table_names, table_source
from lf_export_pipeline_tests.unit.core.test_parsing import MINIMAL, refusal, stored


def asked(
    options: dict[str, Any] | None, table: str = "traces", forbidden: str = "", **query: Any
) -> ExportRequest:
    known = {**MINIMAL, "tableName": table, **query}
    row = stored(known if options is None else {**known, "lfExport": options})
    barred = forbidden_columns(forbidden, column_names())
    return parse_request(row, defaults=FileDefaults(forbidden=barred))


def kept(options: dict[str, Any] | None, table: str = "traces", forbidden: str = "") -> list[str]:
    left_out = asked(options, table, forbidden).left_out
    names = [*(column.name for column in table_source(table).columns), SCORES]
    return [name for name in names if name not in left_out]


def sentence_of(options: dict[str, Any], table: str = "traces", forbidden: str = "") -> str:
    with pytest.raises(InvalidQueryError) as caught:
        asked(options, table, forbidden)
    assert len(caught.value.user_message) < 700
    return caught.value.user_message


def test_a_row_of_langfuse_leaves_nothing_out() -> None:
    for options in (None, {}, {"columns": None}, {"compression": "gzip"}):
        request = asked(options)
        assert (request.left_out, request.forbidden, request.forbidden_remark) == ((), (), None)


def test_columns_are_named_by_themselves_or_by_group_and_keep_their_order() -> None:
    assert kept({"columns": ["io", "name", "id"]}) == ["id", "name", "input", "output"]
    assert kept({"columns": ["id", "scores"]}) == ["id", "scores"]
    without = asked({"without": ["comments", "io", "scores", "metadata"]}).left_out
    assert without == ("input", "output", "metadata", "comments", "scores")
    assert asked({"without": ["tools"]}, "observations").left_out == GROUPS["tools"]


def test_a_name_is_first_that_of_a_column() -> None:
    assert kept({"columns": ["model"]}, "observations") == ["model"]
    group = ["model", "internalModelId", "modelParameters", "modelId"]
    assert kept({"columns": ["group:model"]}, "observations") == group
    events = ["modelId", "providedModelName", "modelParameters"]
    assert kept({"columns": ["model"]}, "events") == events


def test_every_column_that_langfuse_exports_by_groups_is_in_one() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= column_names() | {SCORES}
    observations = {column.name for column in table_source("observations").columns}
    assert observations - set(grouped) == {"comments"}


@pytest.mark.parametrize(
    ("table", "options", "sentence"),
    [
        ("traces", {"columns": ["id"], "without": ["id"]}, "'columns' or 'without', not both"),
        ("traces", {"columns": []}, "'columns' names no column"),
        ("traces", {"without": []}, "'without' names no column"),
        ("traces", {"columns": ["inptu"]}, "'inptu' is no column and no group of columns ("),
        ("traces", {"columns": ["inptu"]}, "(similar: input)"),
        ("traces", {"columns": ["id", "user_id"]}, "(similar: userId"),
        ("traces", {"without": ["traceId"]}, "'traceId' is no column"),
        ("traces", {"without": ["group:meta"]}, "'group:meta' is no column"),
        ("traces", {"without": ["tools"]}, "traces has no column of the group tools"),
        ("sessions", {"without": ["scores"]}, "sessions has no column of the group scores"),
        ("traces", {"columns": ["scores"]}, "No column of traces is left for the file beside"),
        ("audit_logs", {"columns": "id"}, "'columns' is 'id'; expected a list"),
        ("traces", {"columns": [1]}, "'columns' is 1; expected a text"),
        ("traces", {"columns": ["id\nx"]}, "'id\\nx' is no column"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_a_sentence(
    table: str, options: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal({**MINIMAL, "tableName": table, "lfExport": options})


@pytest.mark.parametrize("table", sorted(set(table_names()) - {"numbers"}))
def test_a_file_has_a_column(table: str) -> None:
    names = [column.name for column in table_source(table).columns]
    assert f"No column of {table} is left" in sentence_of({"without": names}, table)
    assert len(kept({"without": names[:-1]}, table)) in (1, 2)


def test_what_is_forbidden_is_left_out_whoever_asks() -> None:
    forbidden = "project-1: input , io;project-2:name;*:metadata;project-1:comments"
    request = asked({"columns": ["id", "input", "name"]}, forbidden=forbidden)
    assert request.forbidden == ("input", "output", "metadata", "comments")
    assert kept({"columns": ["id", "input", "name"]}, forbidden=forbidden) == ["id", "name"]
    assert kept(None, "audit_logs", forbidden)[0] == "id"
    assert "input, output, metadata, comments" in (request.forbidden_remark or "")
    assert asked(None, "sessions", forbidden).forbidden == ("comments",)
    assert asked(None, "dataset_run_items", forbidden).forbidden_remark is None


def test_a_forbidden_name_means_column_and_group() -> None:
    request = asked(None, "observations", "*:model")
    assert request.forbidden == ("model", "internalModelId", "modelParameters", "modelId")


def test_nothing_but_what_is_forbidden_makes_no_file() -> None:
    sentence = sentence_of({"columns": ["input"]}, forbidden="*:input,metadata")
    assert sentence.startswith("No column of traces is left for the file. In this project no")
    assert "no export may hold input, metadata: the operator has forbidden it" in sentence
    assert sentence.endswith("public, output, comments.")


@pytest.mark.parametrize(
    ("column", "is_kept"),
    [("comment", False), ("Comment", False), ("String Value", False), ("value", True)],
)
def test_rows_are_not_in_the_order_of_what_is_forbidden(column: str, is_kept: bool) -> None:
    order = {"column": column, "order": "ASC"}
    forbidden = "*:comment,stringValue"
    request = asked(None, "scores", forbidden, orderBy=order)
    assert (request.query.order_by is not None) == is_kept
    assert asked(None, "scores", orderBy=order).query.order_by is not None


@pytest.mark.parametrize(
    ("table", "forbidden", "column", "is_kept"),
    [
        ("sessions", "*:totalCost", "Session Total Cost", False),
        ("sessions", "*:totalCost", "Total Cost ($)", False),
        ("sessions", "*:inputCost", "Session Input Cost", False),
        ("sessions", "*:totalTokens", "Usage", False),
        ("sessions", "*:totalTokens", "usage", False),
        ("sessions", "*:sessionDuration", "Session Duration (s)", False),
        ("sessions", "*:countTraces", "tracesCount", False),
        ("sessions", "*:bookmarked", "⭐️", False),
        ("sessions", "*:scores", "scores_avg", False),
        ("sessions", "*:totalCost", "createdAt", True),
        ("sessions", "*:totalCost", "Created At", True),
        ("scores", "*:stringValue", "booleanValue", False),
        ("scores", "*:metadata", "Evaluator ID", False),
        ("scores", "*:metadata", "Trace Name", True),
        ("sessions", "*:input,output", "usage", True),
        ("sessions", "*:scores", "usage", True),
        ("sessions", "*:environment", "environment", False),
    ],
)
def test_rows_are_not_in_the_order_of_what_is_made_of_the_forbidden(
    table: str, forbidden: str, column: str, is_kept: bool
) -> None:
    """Also by a name that does not look like the one that was forbidden."""
    order = {"column": column, "order": "DESC"}
    request = asked(None, table, forbidden, orderBy=order)
    assert (request.query.order_by is not None) == is_kept
    assert ("not in the order" in (request.forbidden_remark or "")) != is_kept


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("input", "project-id:column"),
        (":input", "project-id:column"),
        ("p:", "project-id:column"),
        ("p:input,,output", "project-id:column"),
        ("p,q:input", "project-id:column"),
        ("shop*:input", "project-id:column"),
        ("p:q:input", "'q:input' is no column"),
        ("p:inputs", "'inputs' is no column and no group of columns .similar: input"),
    ],
)
def test_what_is_no_list_of_forbidden_columns_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        forbidden_columns(text, column_names())


def test_lists_of_a_project_and_of_all_add_up() -> None:
    found = forbidden_columns("a:input; ;*:scores,group:tools;a:name", column_names())
    everywhere = {"scores", "tools", *GROUPS["tools"]}
    assert found.of("a") == {"input", "name"} | everywhere
    assert found.of("b") == everywhere
