"""Score columns: which there are, what they are called, and what the cells hold."""

import csv
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.core.request.admission import ExportLimits, score_columns_bytes
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline_tests.exporting import CUTOFF, NOON, Exported, Project, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [
    pytest.mark.services,
    pytest.mark.sampled,
    pytest.mark.usefixtures("looked_up"),
]

BOTH = pytest.mark.parametrize("table", ["traces", "observations"])
TYPED: dict[str, dict[str, Any]] = {
    "number": {"data_type": "NUMERIC", "value": 0.5},
    "word": {"data_type": "CATEGORICAL", "value": 0, "string_value": "good"},
    "flag": {"data_type": "BOOLEAN", "value": 1, "string_value": "True"},
    "text": {"data_type": "TEXT", "value": 0, "string_value": 'line 1\nline "2" \u00e9'},
    "correction": {"data_type": "CORRECTION", "value": 0, "string_value": "never"},
    "blank": {"data_type": "CATEGORICAL", "value": 0, "string_value": ""},
    "null": {"data_type": "CATEGORICAL", "value": 0, "string_value": None},
}


def add_row(project: Project, table: str) -> dict[str, Any]:
    """One row; the result says what a score must name to belong to it."""
    project.add(table, {"id": "row", "trace_id": "row"} if table != "traces" else {"id": "row"})
    return {"trace_id": "row", "observation_id": None if table == "traces" else "row"}


def add_scores(project: Project, table: str, *scores: dict[str, Any]) -> None:
    target = add_row(project, table)
    project.add("scores", *({"id": f"s{at}", **target, **s} for at, s in enumerate(scores)))


@BOTH
def test_each_type_of_score_has_its_cell_and_corrections_have_none(
    project: Project, table: str
) -> None:
    add_scores(project, table, *({"name": name, **score} for name, score in TYPED.items()))
    row = project.export(table).row
    assert row["number"] == [Decimal("0.5")]
    assert row["word"] == ["good"]
    assert row["flag"] == [1]
    assert row["text"] == ['line 1\nline "2" \u00e9']
    assert row["blank"] is None
    assert row["null"] is None
    assert "correction" not in row


@BOTH
def test_a_cell_holds_the_type_of_its_first_value_and_numbers_come_first(
    project: Project, table: str
) -> None:
    add_scores(
        project,
        table,
        {"name": "mixed", **TYPED["word"]},
        {"name": "mixed", **TYPED["number"]},
        {"name": "mixed", **TYPED["flag"]},
        {"name": "words", **TYPED["word"]},
        {"name": "words", "data_type": "TEXT", "string_value": "bad"},
    )
    row = project.export(table).row
    assert sorted(row["mixed"]) == [Decimal("0.5"), 1]
    assert sorted(row["words"]) == ["bad", "good"]


def test_scores_of_a_trace_and_of_its_observations_are_averaged_into_one_number(
    project: Project,
) -> None:
    project.add("traces", {"id": "row"}, {"id": "other"})
    project.add(
        "scores",
        {"id": "s1", "trace_id": "row", "name": "n", "value": 1},
        {"id": "s2", "trace_id": "row", "observation_id": "o1", "name": "n", "value": 2},
        {"id": "s3", "trace_id": "row", "observation_id": "o2", "name": "n", "value": 6},
        {"id": "s4", "trace_id": "other", "name": "n", "value": 8},
    )
    assert {row["id"]: row["n"] for row in project.export("traces").rows} == {
        "row": [3],
        "other": [8],
    }


def test_a_trace_with_several_versions_counts_each_score_once(project: Project) -> None:
    """Versions of the trace must not weigh its scores or repeat them."""
    for second in range(3):
        project.add("traces", {"id": "row", "event_ts": f"2031-03-0{second + 1}T00:00:00.000Z"})
    project.add("traces", {"id": "row", "timestamp": "2031-03-05T00:00:00.000Z"})
    project.add(
        "scores",
        {"id": "s1", "trace_id": "row", "name": "n", "value": 1},
        {"id": "s2", "trace_id": "row", "name": "n", "value": 2, "execution_trace_id": "x"},
    )
    assert sorted(project.export("traces").row["n"]) == [1, 2]


def test_scores_of_an_observation_are_those_that_name_it_and_its_trace(project: Project) -> None:
    project.add("observations", {"id": "o", "trace_id": "t"})
    score = {"name": "n", "value": 1}
    project.add(
        "scores",
        {"id": "s1", "trace_id": "t", "observation_id": "o", **score},
        {"id": "s2", "trace_id": "t", "observation_id": None, **score, "value": 5},
        {"id": "s3", "trace_id": "u", "observation_id": "o", **score, "value": 7},
        {"id": "s4", "trace_id": "t", "observation_id": "o", **score, "comment": "why", "value": 3},
    )
    assert sorted(project.export("observations").row["n"]) == [1, 3]


ODD_NAMES = [
    "__proto__",
    "toString",
    "constructor",
    "42",
    "",
    'say "hi"',
    "comma, and\nline",
    "\u65e5\u672c \U0001f600",
    "back\\slash",
    "it's",
    "{p0:String}",
    "n" * 2000,
]


@BOTH
@pytest.mark.parametrize("file_format", ["CSV", "JSONL"])
def test_every_name_is_an_ordinary_name(project: Project, table: str, file_format: str) -> None:
    add_scores(
        project, table, *({"name": name, "value": at} for at, name in enumerate(ODD_NAMES, start=1))
    )
    found = project.export(table, file_format=file_format)
    if file_format == "CSV":
        row: dict[str, Any] = found.cells
        expected: dict[str, Any] = {name: f"[{at}]" for at, name in enumerate(ODD_NAMES, start=1)}
    else:
        row = found.row
        expected = {name: [at] for at, name in enumerate(ODD_NAMES, start=1)}
    assert {name: row.get(name) for name in ODD_NAMES} == expected


@BOTH
@pytest.mark.parametrize("file_format", ["CSV", "JSONL", "PARQUET"])
def test_a_name_that_is_no_text_is_a_column_with_its_values(
    project: Project, table: str, file_format: str
) -> None:
    """JSON may hold half a character in an escape, and ClickHouse stores it as other bytes.

    Two names that are shown alike are one column, as in Langfuse.
    """
    add_scores(
        project,
        table,
        {"name": "half \udc00", "value": 1, "trace_id": "elsewhere"},
        {"name": "half \udc01", "value": 2},
        {"name": "\udfff and \udfff", "value": 3},
        {"name": "\ufffd", "value": 4},
        {"name": "whole", "value": 5},
    )
    found = project.export(table, file_format=file_format)
    assert found.query.score_columns == ("half \ufffd", "whole", "\ufffd", "\ufffd and \ufffd")
    shown = _shown(found)
    assert [shown[name] for name in found.query.score_columns] == [[2], [5], [4], [3]]


def test_names_that_are_shown_alike_have_the_type_of_both(project: Project) -> None:
    add_scores(
        project,
        "traces",
        {"name": "\udc00", **TYPED["flag"]},
        {"name": "\udc01", **TYPED["number"]},
        {"name": "\ufffd", **TYPED["word"], "trace_id": "elsewhere"},
    )
    found = project.export("traces", file_format="PARQUET")
    assert found.query.score_columns == ("\ufffd",)
    assert found.query.score_types == (ColumnType.TEXTS,)
    assert sorted(_shown(found)["\ufffd"]) == ["0.5", "1"]


def _shown(found: Exported) -> dict[str, Any]:
    """The only row of a file, its score cells as lists."""
    if found.query.request.format == "PARQUET":
        (row,) = pq.read_table(pa.BufferReader(found.data)).to_pylist()
        return dict(row)
    if found.query.request.format == "CSV":
        names = found.query.score_columns
        return {name: json.loads(found.cells[name] or "null") for name in names}
    return found.row


@BOTH
def test_a_score_named_like_a_column_leaves_that_column_alone(project: Project, table: str) -> None:
    names = ["id", "name", "input", "metadata", "comments", "scores.id"]
    add_scores(project, table, *({"name": name, "value": at} for at, name in enumerate(names)))
    plain_row = project.export(table).row
    assert (plain_row["id"], plain_row["name"]) == ("row", "chat" if table == "traces" else "call")
    assert plain_row["metadata"] == {}
    assert plain_row["comments"] == []
    assert [plain_row[f"scores.{name}"] for name in names] == [[0], [1], [2], [3], [4], [5]]
    first_line = project.export(table, file_format="CSV").data.decode().split("\n")[0]
    (header,) = csv.reader([first_line])
    assert len(header) == len(set(header))


@BOTH
def test_names_are_collected_up_to_the_cutoff_and_from_an_hour_before_the_first_row(
    project: Project, table: str
) -> None:
    at_cutoff = CUTOFF.isoformat(timespec="milliseconds")
    add_scores(
        project,
        table,
        {"name": "at the cutoff", "created_at": at_cutoff},
        {"name": "too late", "created_at": "2031-03-20T12:00:00.001Z"},
        {"name": "within the hour", "timestamp": "2031-03-01T10:00:00.000Z"},
        {"name": "before it", "timestamp": "2031-03-01T09:59:59.999Z"},
    )
    everything = {"at the cutoff", "within the hour", "before it"}
    column = "Timestamp" if table == "traces" else "Start Time"
    lower = where(column, "datetime", ">=", "2031-03-01T11:00:00.000Z")
    assert set(project.export(table).query.score_columns) == everything
    assert set(project.export(table, [lower]).query.score_columns) == everything - {"before it"}


@BOTH
@pytest.mark.parametrize(
    "names",
    [[f"{at:02000d}" for at in range(500)], ["é" * 40_000], [str(at) for at in range(7_000)]],
    ids=["many long ones", "one", "very many"],
)
def test_no_more_names_are_fetched_than_show_that_they_are_too_long(
    project: Project, table: str, names: list[str]
) -> None:
    add_scores(project, table, *({"name": name, "value": 1} for name in names))
    asked = project.request(table)
    statement = table_source(table).preflight_queries(asked, ExportLimits())["score_names"]
    found = [str(name) for (name,) in project.reader.rows(statement)]
    assert 65_536 < score_columns_bytes(found) < 65_536 + 70_000
    with pytest.raises(InvalidFilterError, match="The names of the project's scores are too long"):
        project.export(table)


@BOTH
def test_names_of_other_projects_make_no_columns(new_project: NewProject, table: str) -> None:
    ours, theirs = new_project(), new_project()
    add_scores(theirs, table, {"name": "theirs", "value": 1})
    add_row(ours, table)
    assert ours.export(table).query.score_columns == ()


@BOTH
def test_columns_are_in_the_order_of_their_names(project: Project, table: str) -> None:
    add_scores(project, table, *({"name": name, "value": 1} for name in ("b", "a", "10", "9", "B")))
    assert project.export(table).query.score_columns == ("10", "9", "B", "a", "b")


@BOTH
@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (where("scores_avg", "numberObject", ">=", 1.5, key="n"), True),
        (where("scores_avg", "numberObject", ">", 1.5, key="n"), False),
        (where("Scores", "numberObject", "=", 1, key="flag"), True),
        (where("scores_avg", "numberObject", "=", 1, key="N"), False),
        (where("score_categories", "categoryOptions", "any of", ["x", "good"], key="word"), True),
        (where("score_categories", "categoryOptions", "none of", ["good"], key="word"), False),
        (where("score_categories", "categoryOptions", "none of", ["good"], key="absent"), True),
        (where("score_booleans", "booleanObject", "=", True, key="flag"), True),
        (where("score_booleans", "booleanObject", "=", False, key="flag"), False),
        (where("Scores (boolean)", "booleanObject", "<>", False, key="flag"), True),
    ],
)
def test_score_filters_see_what_the_columns_show(
    project: Project, table: str, wanted: dict[str, Any], matches: bool
) -> None:
    add_scores(
        project,
        table,
        {"name": "n", "value": 1},
        {"name": "n", "value": 2},
        {"name": "word", **TYPED["word"]},
        {"name": "flag", **TYPED["flag"]},
        {"name": "N", "data_type": "CORRECTION", "value": 1},
    )
    assert project.ids(table, wanted) == ({"row"} if matches else set())


@BOTH
def test_scores_keep_the_digits_of_their_numbers(project: Project, table: str) -> None:
    """Of whatever length, for they are doubles: pandas takes 1e+20 for one, not its 21 digits."""
    numbers = ["1e300", "5e-324", "0.1", "123456789012345680", "-0.000001"]
    numbers += ["1e19", "1e20", "-1e19", "18446744073709551616", "123456789012345678901"]
    add_scores(
        project,
        table,
        *({"name": text, "value": float(text), "timestamp": NOON} for text in numbers),
    )
    row = project.export(table).row
    assert not any(isinstance(row[text][0], str) for text in numbers)
    assert [float(row[text][0]) for text in numbers] == [float(text) for text in numbers]
