"""Items of dataset runs: the latest of each item in each run."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline_tests.exporting import CUTOFF, NOON, Project, where

pytestmark = pytest.mark.services


def at(second: int, day: int = 1) -> str:
    return f"2031-03-{day:02d}T12:00:{second:02d}.000Z"


def run_item(name: str, item: str = "", **more: Any) -> dict[str, Any]:
    """An item of run ``r`` of dataset ``ds``."""
    common = {"dataset_id": "ds", "dataset_run_id": "r", "trace_id": f"trace of {name}"}
    return {"id": name, "dataset_item_id": item or f"item of {name}", **common, **more}


def ids(project: Project, *filters: Any, **options: Any) -> list[str]:
    return project.export("dataset_run_items", filters, **options).ids


def test_an_item_is_exported_with_the_name_of_its_dataset(project: Project) -> None:
    times = {"created_at": NOON, "updated_at": NOON}
    project.add_to_postgres("datasets", {"id": "ds", "name": f"of {project.id}", **times})
    project.add("dataset_run_items_rmt", run_item("a", observation_id="", **times))
    assert project.export("dataset_run_items").row == {
        "id": "a",
        "projectId": project.id,
        "datasetItemId": "item of a",
        "traceId": "trace of a",
        "observationId": "",
        "createdAt": NOON,
        "updatedAt": NOON,
        "datasetName": f"of {project.id}",
    }


def test_a_dataset_that_is_gone_is_unknown(project: Project) -> None:
    project.add("dataset_run_items_rmt", run_item("a", dataset_id="gone"))
    assert project.export("dataset_run_items").row["datasetName"] == "Unknown"


def test_of_an_item_in_a_run_the_one_created_last_is_exported(project: Project) -> None:
    project.add(
        "dataset_run_items_rmt",
        run_item("old", "same", created_at=at(1), event_ts=at(9)),
        run_item("new", "same", created_at=at(2)),
        run_item("other run", "same", dataset_run_id="r2", created_at=at(0)),
        run_item("other set", "same", dataset_id="ds2", created_at=at(0)),
    )
    project.add(
        "dataset_run_items_rmt",
        run_item("by event", "tied", created_at=at(3), event_ts=at(5)),
        run_item("tied", "tied", created_at=at(3), event_ts=at(4)),
    )
    assert ids(project)[:2] == ["by event", "new"]
    assert set(ids(project)[2:]) == {"other run", "other set"}


@pytest.mark.parametrize("chunk_rows", [1, 10])
def test_the_newest_version_is_exported_whatever_its_creation(
    project: Project, chunk_rows: int
) -> None:
    for second, day in ((1, 5), (3, 2), (2, 9)):
        version = {"event_ts": at(second), "created_at": at(0, day), "trace_id": f"day {day}"}
        project.add("dataset_run_items_rmt", run_item("a", **version))
    project.add("dataset_run_items_rmt", run_item("b", created_at=at(0, 3)))
    found = project.export("dataset_run_items", chunk_rows=chunk_rows)
    assert found.ids == ["b", "a"]
    assert found.rows[1]["traceId"] == "day 2"


def test_a_deleted_item_gives_way_to_the_one_before_it(project: Project) -> None:
    project.add("dataset_run_items_rmt", run_item("old", "same", created_at=at(1)))
    project.add("dataset_run_items_rmt", run_item("new", "same", created_at=at(2)))
    project.add(
        "dataset_run_items_rmt",
        run_item("new", "same", created_at=at(2), event_ts=at(0, 2), is_deleted=1),
        run_item("gone", event_ts=at(0, 2), is_deleted=1),
    )
    assert ids(project) == ["old"]


def test_items_from_the_cutoff_on_do_not_hide_the_one_before_it(project: Project) -> None:
    project.add(
        "dataset_run_items_rmt",
        run_item("before", "same", created_at=at(1)),
        run_item("at", "same", created_at=CUTOFF.isoformat()),
    )
    assert ids(project) == ["before"]


@pytest.mark.parametrize("chunk_rows", [1, 2, 10])
def test_the_youngest_is_first_in_any_chunks_and_the_order_is_not_the_users(
    project: Project, chunk_rows: int
) -> None:
    for second, name in ((2, "b"), (3, "a"), (1, "c")):
        project.add("dataset_run_items_rmt", run_item(name, created_at=at(second)))
    project.add("dataset_run_items_rmt", *(run_item(name, created_at=at(0)) for name in "zxy"))
    order = {"column": "createdAt", "order": "ASC"}
    found = ids(project, orderBy=order, searchQuery="zzz", chunk_rows=chunk_rows)
    assert found == ["a", "b", "c", "x", "y", "z"]


@pytest.mark.parametrize(("row_limit", "hit"), [(2, True), (3, False)])
def test_the_row_limit_counts_items_not_their_predecessors(
    project: Project, row_limit: int, hit: bool
) -> None:
    for second in (1, 2):
        rows = [run_item(f"{name}{second}", name, created_at=at(second)) for name in "abc"]
        project.add("dataset_run_items_rmt", *rows)
    found = project.export("dataset_run_items", row_limit=row_limit)
    assert (len(found.rows), found.limit_hit) == (row_limit, hit)
    assert all(name.endswith("2") for name in found.ids)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (where("datasetRunId", "stringOptions", "any of", ["r2"]), ["b"]),
        (where("Dataset Run ID", "string", "=", "r"), ["a"]),
        (where("Dataset", "stringOptions", "none of", ["ds"]), ["b"]),
        (where("Dataset Item ID", "string", "contains", "of a"), ["a"]),
        (where("createdAt", "datetime", ">", at(1)), ["b"]),
        (where("Event Timestamp", "datetime", "<", at(0, 2)), ["b", "a"]),
        (where("agg_scores_avg", "numberObject", ">", 0.5, key="n"), ["a"]),
        (where("Scores (numeric)", "numberObject", "<", 0.5, key="n"), ["b"]),
        (where("agg_score_categories", "categoryOptions", "any of", ["yes"], key="c"), ["b"]),
        (where("agg_score_categories", "categoryOptions", "any of", ["words"], key="t"), []),
        (where("agg_score_booleans", "booleanObject", "=", True, key="b"), ["a"]),
        (where("agg_score_booleans", "booleanObject", "<>", True, key="b"), ["b"]),
    ],
)
def test_filters_are_applied(project: Project, wanted: Any, expected: list[str]) -> None:
    project.add(
        "dataset_run_items_rmt",
        run_item("a", created_at=at(1)),
        run_item("b", dataset_id="ds2", dataset_run_id="r2", created_at=at(2)),
    )
    project.add(
        "scores",
        {"id": "1", "trace_id": "trace of a", "name": "n", "value": 0.9},
        {"id": "2", "trace_id": "trace of a", "name": "n", "value": 0.5, "observation_id": "o"},
        {"id": "3", "trace_id": "trace of b", "name": "n", "value": 0.1},
        {"id": "4", "trace_id": "trace of b", "name": "c", "data_type": "CATEGORICAL"}
        | {"string_value": "yes"},
        {"id": "5", "trace_id": "trace of b", "name": "t", "data_type": "TEXT"}
        | {"string_value": "words"},
        {"id": "6", "trace_id": "trace of a", "name": "b", "data_type": "BOOLEAN", "value": 1}
        | {"string_value": "True"},
    )
    assert ids(project, wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (where("traceId", "string", "=", "x"), "Column traceId does not match"),
        (where("scores", "numberObject", ">", 1, key="n"), "Column scores does not match"),
        (where("agg_scores_avg", "number", ">", 1), "Expected filter type 'numberObject'"),
        (where("createdAt", "string", "=", "x"), "it takes a datetime filter"),
    ],
)
def test_filters_that_cannot_be_applied_are_refused(
    project: Project, wanted: Any, sentence: str
) -> None:
    with pytest.raises(InvalidFilterError, match=sentence):
        ids(project, wanted)
