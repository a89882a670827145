"""Items of datasets: the latest version, JSON with all digits, and filters as in Postgres."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline_tests.exporting import NOON, Project, where

pytestmark = pytest.mark.services

LATER = "2031-03-02T12:00:00.000Z"


def add_items(project: Project, *items: dict[str, Any]) -> None:
    """Items of one dataset, which exists."""
    defaults = {"dataset_id": "ds", "created_at": NOON, "updated_at": NOON, "valid_from": NOON}
    project.add_to_postgres("dataset_items", *({**defaults, **item} for item in items))


@pytest.fixture
def dataset(project: Project) -> Project:
    times = {"created_at": NOON, "updated_at": NOON}
    named = {"id": "ds", "name": f"set of {project.id}", "remote_experiment_enabled": True}
    project.add_to_postgres("datasets", {**named, **times})
    return project


def test_an_item_is_exported_with_all_that_belongs_to_it(dataset: Project) -> None:
    add_items(
        dataset,
        {"id": "a", "source_trace_id": "t", "source_observation_id": "o", "status": "ARCHIVED"}
        | {"input": {"k": [1, None]}, "expected_output": "text", "metadata": None},
    )
    assert dataset.export("dataset_items").row == {
        "id": "a",
        "projectId": dataset.id,
        "datasetId": "ds",
        "sourceTraceId": "t",
        "sourceObservationId": "o",
        "status": "ARCHIVED",
        "createdAt": NOON,
        "updatedAt": NOON,
        "validFrom": NOON,
        "input": {"k": [1, None]},
        "expectedOutput": "text",
        "metadata": None,
        "datasetName": f"set of {dataset.id}",
        "htmlSourcePath": f"/project/{dataset.id}/traces/t?observation=o",
    }


@pytest.mark.parametrize(
    ("trace", "observation", "path"),
    [
        (None, None, ""),
        ("", "o", ""),
        (None, "o", ""),
        ("t", None, "/traces/t"),
        ("t", "", "/traces/t"),
    ],
)
def test_the_path_leads_to_the_source_as_far_as_it_is_known(
    dataset: Project, trace: str | None, observation: str | None, path: str
) -> None:
    add_items(dataset, {"id": "a", "source_trace_id": trace, "source_observation_id": observation})
    expected = f"/project/{dataset.id}{path}" if path else ""
    assert dataset.export("dataset_items").row["htmlSourcePath"] == expected


def test_only_the_latest_version_is_exported_unless_it_is_a_deletion(dataset: Project) -> None:
    add_items(
        dataset,
        {"id": "a", "input": "old", "valid_to": LATER},
        {"id": "a", "input": "new", "valid_from": LATER},
        {"id": "deleted", "valid_to": LATER},
        {"id": "deleted", "valid_from": LATER, "is_deleted": True},
        {"id": "twice", "input": "old"},
        {"id": "twice", "input": "new", "valid_from": LATER},
        {"id": "twice and deleted"},
        {"id": "twice and deleted", "valid_from": LATER, "is_deleted": True},
    )
    rows = dataset.export("dataset_items").rows
    assert [(row["id"], row["input"]) for row in rows] == [("a", "new"), ("twice", "new")]


def test_items_from_the_cutoff_on_are_left_out(dataset: Project) -> None:
    instants = {name: f"2031-03-01T12:00:00.00{at}Z" for at, name in enumerate("abc")}
    add_items(dataset, *({"id": name, "created_at": at} for name, at in instants.items()))
    cutoff = datetime(2031, 3, 1, 12, 0, 0, 1000, tzinfo=UTC)
    assert dataset.ids("dataset_items", created_at=cutoff) == {"a"}


@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
def test_what_changed_last_is_first_and_ties_are_in_the_order_of_ids(
    dataset: Project, chunk_rows: int
) -> None:
    add_items(dataset, *({"id": name, "valid_from": NOON} for name in ("c", "a", "B", "é")))
    add_items(dataset, {"id": "last", "valid_from": LATER})
    found = dataset.export("dataset_items", chunk_rows=chunk_rows)
    assert found.ids[0] == "last"
    assert sorted(found.ids[1:]) == sorted(["B", "a", "c", "é"])
    assert found.ids == dataset.export("dataset_items").ids


def test_the_row_limit_is_exact(dataset: Project) -> None:
    add_items(dataset, *({"id": str(number)} for number in range(5)))
    found = dataset.export("dataset_items", row_limit=3)
    assert (len(found.rows), found.limit_hit) == (3, True)
    assert not dataset.export("dataset_items", row_limit=5).limit_hit


# The text of a value as JavaScript writes it.
JSON_TEXTS = [
    '"text"',
    '""',
    '"a, b: c"',
    '"say \\"hi\\", then: \\\\"',
    '"{\\"not\\": \\"parsed\\"}"',
    "true",
    "0",
    "18446744073709551615",
    "0.10000000000000000000000001",
    "[]",
    "{}",
    '["a, b","x: \\"y\\", z","\\\\","\\\\\\"",", ",": "]',
    '{"":" ","\\"":"\\\\","a, b":{"c: d":[1,2,{"e":null}]}}',
    '{"u":"日本😀","tab":"\\t","line":"\\n"}',
]


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_json_comes_out_compact_with_all_digits_and_a_string_as_itself(
    dataset: Project, text: str
) -> None:
    with postgres_transaction(dataset.addresses) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dataset_items (id, project_id, dataset_id, input, created_at, updated_at) "
            "VALUES ('a', %s, 'ds', %s::jsonb, %s, %s)",
            (dataset.id, text, NOON, NOON),
        )
    line = dataset.export("dataset_items").data.decode()
    stored = json.loads(text, parse_float=Decimal)
    assert json.loads(line, parse_float=Decimal)["input"] == stored
    if not isinstance(stored, dict):  # jsonb orders keys its own way
        assert f'"input":{text},"expectedOutput":null' in line
    assert '": ' not in line.replace('"a, b: c"', "").replace('": "]', "").replace('": \\"', "")
    cells = next(csv.DictReader(io.StringIO(_csv(dataset), newline="")))
    assert cells["input"] == (stored if isinstance(stored, str) else _value_of(line))


def _csv(project: Project) -> str:
    return project.export("dataset_items", file_format="CSV").data.decode()


def _value_of(line: str) -> str:
    """The text of the input within a row of JSON."""
    return line.partition('"input":')[2].partition(',"expectedOutput":')[0]


def test_null_and_a_json_null_are_null(dataset: Project) -> None:
    add_items(dataset, {"id": "missing"})
    with postgres_transaction(dataset.addresses) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataset_items SET input = 'null'::jsonb WHERE project_id = %s", (dataset.id,)
        )
    row = dataset.export("dataset_items").row
    assert (row["input"], row["metadata"]) == (None, None)
    assert dataset.ids("dataset_items", where("metadata", "null", "is null", "")) == {"missing"}


def test_a_megabyte_of_json_is_exported_whole(dataset: Project) -> None:
    words = [f"item {number}, part: {number}" for number in range(30_000)]
    value = {"words": words, "long": 'x, "y": ' * 100_000}
    add_items(dataset, {"id": "a", "input": value, "metadata": "m" * 1_000_000})
    row = dataset.export("dataset_items").row
    assert row["input"] == value
    assert len(row["metadata"]) == 1_000_000


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (where("id", "stringOptions", "any of", ["plain", "nope"]), {"plain"}),
        (where("Item ID", "stringOptions", "none of", ["plain"]), {"percent", "slash"}),
        (where("id", "string", "=", "PLAIN"), set()),
        (where("id", "string", "contains", "LAI"), {"plain"}),
        (where("id", "string", "starts with", "P"), {"plain", "percent"}),
        (where("id", "string", "ends with", "_NT"), {"percent"}),
        (where("id", "string", "does not contain", "p%n"), {"slash"}),
        (where("sourceTraceId", "string", "contains", "%"), {"percent", "slash"}),
        (where("sourceTraceId", "string", "=", "100%"), {"percent"}),
        (where("Source Trace ID", "string", "ends with", "\\"), {"slash"}),
        (where("sourceTraceId", "string", "contains", "\\\\"), {"slash"}),
        (where("sourceTraceId", "string", "does not contain", "zzz"), {"percent", "slash"}),
        (where("sourceTraceId", "string", "does not contain", "nul\0"), {"percent", "slash"}),
        (where("sourceTraceId", "string", "contains", "nul\0"), set()),
        (where("sourceTraceId", "stringOptions", "none of", ["100%"]), {"slash"}),
        (where("sourceTraceId", "stringOptions", "none of", ["\0"]), {"percent", "slash"}),
        (where("sourceTraceId", "stringOptions", "any of", ["\0", "100%"]), {"percent"}),
        (where("sourceTraceId", "null", "is null", ""), {"plain"}),
        (where("sourceTraceId", "null", "is not null", ""), {"percent", "slash"}),
        (where("Status", "stringOptions", "any of", ["ARCHIVED"]), {"slash"}),
        (where("status", "string", "contains", "act"), {"plain", "percent"}),
        (where("metadata", "stringObject", "=", "One", key="k"), {"plain"}),
        (where("Metadata", "stringObject", "contains", "ONE", key="k"), {"plain"}),
        (where("metadata", "stringObject", "does not contain", "one", key="k"), {"percent"}),
        (where("metadata", "stringObject", "contains", "1", key="list"), {"percent"}),
        (where("metadata", "stringObject", "=", "x", key="nul\0"), set()),
        (where("metadata", "stringObject", "=", "x", key="it's; --"), set()),
        (where("metadata", "numberObject", ">", 4.5, key="n"), {"percent"}),
        (where("metadata", "numberObject", "<=", 1e300, key="n"), {"percent"}),
        (where("metadata", "numberObject", "=", 5, key="k"), set()),
        (where("Created At", "datetime", ">", NOON), {"slash"}),
        (where("validFrom", "datetime", "<=", NOON), {"plain", "percent", "slash"}),
        (where("createdAt", "datetime", ">", "-200000-01-01"), {"plain", "percent", "slash"}),
    ],
)
def test_filters_mean_what_they_mean_in_postgres(
    dataset: Project, wanted: Any, expected: set[str]
) -> None:
    add_items(
        dataset,
        {"id": "plain", "metadata": {"k": "One", "n": "words"}},
        {"id": "percent", "source_trace_id": "100%", "metadata": {"k": "2", "n": 5, "list": [1]}},
        {"id": "slash", "source_trace_id": "a\\", "status": "ARCHIVED", "created_at": LATER}
        | {"metadata": "text"},
    )
    assert dataset.ids("dataset_items", wanted) == expected


@pytest.mark.parametrize(
    "text", ["\u30005", "5\u00a0", "0." + "1" * 16_384, "1" * 131_073, "1e9999"]
)
def test_what_postgres_does_not_take_for_a_number_does_not_match(
    dataset: Project, text: str
) -> None:
    add_items(
        dataset, {"id": "odd", "metadata": {"k": text}}, {"id": "b", "metadata": {"k": " 5\t"}}
    )
    assert dataset.ids("dataset_items", where("metadata", "numberObject", ">", 1, key="k")) == {"b"}


def test_numbers_far_beyond_a_double_are_compared(dataset: Project) -> None:
    add_items(dataset, {"id": "far", "metadata": {"k": "1" + "0" * 1_100}})
    for value, operator in ((Decimal("1e1200"), "<"), (Decimal("1e1000"), ">")):
        wanted = where("metadata", "numberObject", operator, value, key="k")
        assert dataset.ids("dataset_items", wanted) == {"far"}


def test_instants_of_other_ages_are_found(dataset: Project) -> None:
    add_items(dataset, {"id": "far", "valid_from": "infinity", "valid_to": None})
    for operator, expected in (("<=", {"far"}), (">", set())):
        wanted = where("validFrom", "datetime", operator, "+020000-01-01T00:00:00Z")
        assert dataset.ids("dataset_items", wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (where("nope", "string", "=", "x"), "Invalid filter column: 'nope'. Columns of dataset_"),
        (where("Datset ID", "string", "=", "x"), "Did you mean Dataset ID"),
        (where("createdAt", "string", "=", "x"), "it takes a datetime or null filter"),
        (where("id", "datetime", ">", NOON), "Invalid filter type 'datetime' for column 'id'"),
        (where("id", "number", "=", 1), "it takes a string or stringOptions or null filter"),
        (where("id", "boolean", "=", True), "Invalid filter type 'boolean'"),
        (where("id", "arrayOptions", "any of", ["x"]), "Invalid filter type 'arrayOptions'"),
        (where("id", "stringObject", "=", "x", key="k"), "Invalid filter type 'stringObject'"),
        (where("metadata", "string", "=", "x"), "it takes a stringObject or numberObject or null"),
        (where("metadata", "categoryOptions", "any of", ["x"], key="k"), "'categoryOptions'"),
        (where("metadata", "booleanObject", "=", True, key="k"), "'booleanObject'"),
        (where("id", "positionInTrace", "=", None, key="root"), "'positionInTrace'"),
    ],
)
def test_filters_that_cannot_be_applied_are_refused(
    project: Project, wanted: Any, sentence: str
) -> None:
    with pytest.raises(InvalidFilterError, match=sentence):
        project.export("dataset_items", [wanted])


def test_order_and_search_change_nothing(dataset: Project) -> None:
    add_items(dataset, {"id": "a", "input": "x"}, {"id": "b", "valid_from": LATER})
    order = {"column": "nope", "order": "ASC"}
    found = dataset.export("dataset_items", orderBy=order, searchQuery="zzz")
    assert found.ids == ["b", "a"]


def test_items_and_datasets_of_other_projects_are_not_seen(dataset: Project) -> None:
    stranger = Project(dataset.addresses, dataset.client, dataset.reader, dataset.settings)
    add_items(dataset, {"id": "a", "dataset_id": "unknown"})
    add_items(stranger, {"id": "a", "input": "secret", "valid_from": LATER}, {"id": "b"})
    row = dataset.export("dataset_items").row
    assert (row["input"], row["datasetName"]) == (None, None)
