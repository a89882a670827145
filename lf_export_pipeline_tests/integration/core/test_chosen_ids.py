"""Ids that a sender of traces has chosen so that they collide, and versions that agree in all."""

from collections.abc import Callable

import pytest

from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline_tests.exporting import Project, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [pytest.mark.services, pytest.mark.sampled]

WANTED = ["0first", "victim-trace-001", "zlast"]
COLLIDING = "r8OKy7k2AfCGoZKo"  # cityHash64 of it is that of "victim-trace-001"
AT = "2031-03-01T12:00:0{}.000Z"


def add_trace(project: Project, row: str) -> None:
    project.add("traces", {"id": row, "name": "other" if row == COLLIDING else "good"})


def add_trace_of_session(project: Project, row: str) -> None:
    project.add("traces", {"id": row, "session_id": row})


def add_span_of_session(project: Project, row: str) -> None:
    project.add("events_full", {"span_id": row, "trace_id": row, "session_id": row})


def add_observation(project: Project, row: str) -> None:
    project.add("observations", {"id": row, "trace_id": "t"})


def add_span(project: Project, row: str) -> None:
    project.add("events_full", {"span_id": row, "trace_id": "t"})


def add_score(project: Project, row: str) -> None:
    project.add("scores", {"id": row, "name": "n", "trace_id": "t", "value": 1})


def add_item(project: Project, row: str) -> None:
    ids = {"dataset_id": "d", "dataset_run_id": "r", "dataset_item_id": row}
    project.add("dataset_run_items_rmt", {"id": row, "trace_id": "t", **ids})


Add = Callable[[Project, str], None]
NAMED = {"type": "string", "column": "name", "operator": "=", "value": "good"}


@pytest.mark.parametrize(
    ("table", "add", "column", "from_events"),
    [
        ("traces", add_trace, "id", False),
        ("traces", add_trace, "name", False),
        ("observations", add_observation, "id", False),
        ("observations", add_span, "id", True),
        ("events", add_span, "id", False),
        ("scores", add_score, "id", False),
        ("sessions", add_trace_of_session, "id", False),
        ("sessions", add_span_of_session, "id", True),
        ("dataset_run_items", add_item, "datasetItemId", False),
    ],
)
def test_a_row_whose_id_was_made_to_collide_is_not_taken_for_another(
    project: Project, table: str, add: Add, column: str, *, from_events: bool
) -> None:
    for row in (*WANTED, COLLIDING):
        add(project, row)
    wanted = NAMED if column == "name" else where(column, "stringOptions", "any of", WANTED)
    made = project.export(table, [wanted], useEventsTable=from_events)
    assert (sorted(made.ids), made.chunk_rows, made.part_rows) == (WANTED, (3,), (3,))


@pytest.mark.parametrize("table", ["traces", "sessions", "events"])
def test_each_plan_hashes_with_a_key_of_its_own_in_all_of_its_statements(
    project: Project, table: str
) -> None:
    keys: list[tuple[object, object]] = []
    for _ in range(2):
        query = resolved(project.request(table), project.reader, project.settings)
        read = [each for each in (query.key_scan, query.chunk_rows, query.sample) if each]
        found = {(each.params["hash_key_0"], each.params["hash_key_1"]) for each in read}
        assert len(found) == 1
        keys += found
    assert keys[0] != keys[1]


@pytest.mark.parametrize("table", ["traces", "observations"])
@pytest.mark.parametrize("wanted", ["first", "last"])
def test_of_versions_that_agree_in_all_times_filter_and_file_take_the_one_stored_last(
    project: Project, table: str, wanted: str
) -> None:
    with project.unmerged(table):
        for name in ("first", "between", "last"):
            project.add(table, *({"id": str(at), "name": name} for at in range(3)))
        made = project.export(table, [where("name", "string", "=", wanted)])
    assert [row["name"] for row in made.rows] == (["last"] * 3 if wanted == "last" else [])


def test_of_scores_that_agree_in_all_times_filter_and_file_take_the_one_stored_last(
    new_project: NewProject,
) -> None:
    project = new_project()
    project.add("traces", {"id": "a"})
    with project.unmerged("scores"):
        for value in (1, 3, 2):
            score = {"id": "s", "name": "n", "trace_id": "a", "value": value}
            project.add("scores", score)
        for value, ids in ((1, []), (2, ["a"]), (3, [])):
            made = project.export(
                "traces", [where("scores_avg", "numberObject", "=", value, key="n")]
            )
            assert made.ids == ids
        assert project.export("traces").row["n"] == [2]


COLONS = [
    ("a", ["b:c"], {"short"}),
    ("a:b", ["c"], {"long"}),
    ("a:b", ["c", "x"], {"long"}),
    ("a", ["c"], set()),
    ("", ["a:b:c"], set()),
    ("a:b:c", [""], set()),
    ("a", [], set()),
]


@pytest.mark.parametrize(("key", "values", "found"), COLONS)
@pytest.mark.parametrize("table", ["traces", "events", "sessions"])
def test_a_categorical_score_is_named_by_its_whole_name(
    colons: Project, table: str, key: str, values: list[str], found: set[str]
) -> None:
    column = "score_categories"
    any_of = where(column, "categoryOptions", "any of", values, key=key)
    none_of = where(column, "categoryOptions", "none of", values, key=key)
    assert colons.ids(table, any_of) == found
    assert colons.ids(table, none_of) == {"short", "long"} - found


@pytest.fixture(scope="module")
def colons(new_project: NewProject) -> Project:
    """Rows of each table, one with the score ``a`` = ``b:c``, one with ``a:b`` = ``c``."""
    project = new_project()
    for row, name, text in (("short", "a", "b:c"), ("long", "a:b", "c")):
        add_trace_of_session(project, row)
        project.add("events_full", {"span_id": row, "trace_id": row})
        score = {"name": name, "string_value": text, "data_type": "CATEGORICAL", "value": 0}
        project.add("scores", {"id": f"{row} t", "trace_id": row, **score})
        project.add("scores", {"id": f"{row} s", "session_id": row, **score})
    return project
