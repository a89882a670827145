"""Two projects that have rows of the same ids: nothing of the other one shows."""

import pytest

from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline_tests.exporting import NOON, Project, Row, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [pytest.mark.services, pytest.mark.sampled]

OURS, THEIRS = "said by ours", "said by theirs"
TIMES = {"created_at": NOON, "updated_at": NOON}
SCORED_TABLES: tuple[tuple[str, bool], ...] = (
    ("traces", False),
    ("observations", False),
    ("observations", True),
    ("events", False),
    ("sessions", False),
    ("sessions", True),
    ("dataset_run_items", False),
)
TABLES = (*SCORED_TABLES, ("scores", False), ("scores", True), ("dataset_items", False))
SHOWN: dict[str, Row] = {
    "traces": {"name": OURS, "userId": OURS},
    "observations": {"traceName": OURS, "traceTags": [OURS]},
    "events": {"traceName": OURS, "tags": [OURS]},
    "sessions": {"userIds": [OURS], "traceTags": [OURS], "bookmarked": False},
    "dataset_run_items": {"datasetName": OURS},
    "dataset_items": {"datasetName": OURS, "input": OURS},
    "scores": {"traceName": OURS, "userId": OURS, "traceTags": [OURS], "stringValue": OURS},
}
WITH_SCORES = {"traces", "observations", "events"}
COMMENTED = {"traces", "observations", "events", "sessions"}


def fill(project: Project, text: str) -> None:
    """Rows of every table; the ids are the same in each project, all else says whose it is."""
    trace = {"name": text, "user_id": text, "tags": [text], "session_id": "session"}
    project.add("traces", {"id": "trace", **trace})
    project.add("observations", {"id": "span", "trace_id": "trace", "name": text})
    span = {**trace, "span_id": "span", "trace_id": "trace", "trace_name": text}
    project.add("events_full", span)
    project.add("scores", *scores(text))
    item = {"id": "item", "dataset_id": "dataset", "dataset_item_id": "item", "trace_id": "trace"}
    project.add("dataset_run_items_rmt", {**item, "dataset_run_id": "run"})
    project.add_to_postgres("datasets", {"id": "dataset", "name": text, **TIMES})
    stored = {"id": "item", "dataset_id": "dataset", "input": text, "valid_from": NOON, **TIMES}
    project.add_to_postgres("dataset_items", stored)
    session = {"id": "session", "bookmarked": text == THEIRS, **TIMES}
    project.add_to_postgres("trace_sessions", session)
    project.add_to_postgres("comments", *comments(project, text))


def scores(text: str) -> list[Row]:
    """On the span, on its trace and on the session, under a common name and one of their own."""
    targets: tuple[dict[str, str], ...] = (
        {"trace_id": "trace"},
        {"trace_id": "trace", "observation_id": "span"},
        {"session_id": "session"},
    )
    typed = {"data_type": "CATEGORICAL", "value": 0, "string_value": text}
    return [
        {"id": f"{name} {at}", "name": name, **typed, **target}
        for name in ("verdict", text)
        for at, target in enumerate(targets)
    ]


def comments(project: Project, text: str) -> list[Row]:
    targets = {"TRACE": "trace", "OBSERVATION": "span", "SESSION": "session"}
    return [
        {"id": f"{project.id} {kind}", "content": text, "object_type": kind, "object_id": target}
        for kind, target in targets.items()
    ]


@pytest.fixture(scope="module")
def ours(new_project: NewProject) -> Project:
    """The project that is exported; the other one was filled before and after it."""
    theirs, project, later = new_project(), new_project(), new_project()
    for each, text in ((theirs, THEIRS), (project, OURS), (later, THEIRS)):
        fill(each, text)
    return project


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize(("table", "from_events"), TABLES)
def test_values_under_the_same_ids_in_another_project_do_not_show(
    ours: Project, table: str, from_events: bool
) -> None:
    found = ours.export(table, useEventsTable=from_events)

    assert THEIRS not in found.data.decode()
    rows = [row for row in found.rows if table != "scores" or row["traceId"]]
    assert rows
    for row in rows:
        assert {name: row[name] for name in SHOWN[table]} == SHOWN[table]
        assert table not in WITH_SCORES or {*row["verdict"], *row[OURS]} == {OURS}
        assert table not in COMMENTED or [each["content"] for each in row["comments"]] == [OURS]


@pytest.mark.parametrize(("table", "from_events"), SCORED_TABLES)
def test_scores_under_the_same_ids_in_another_project_select_nothing(
    ours: Project, table: str, from_events: bool
) -> None:
    column = "agg_score_categories" if table == "dataset_run_items" else "score_categories"

    def count(text: str) -> int:
        wanted = where(column, "categoryOptions", "any of", [text], key="verdict")
        return len(ours.export(table, [wanted], useEventsTable=from_events).rows)

    assert (count(OURS), count(THEIRS)) == (1, 0)


def test_every_table_with_ids_that_others_name_is_here() -> None:
    assert {table for table, _ in TABLES} == set(table_names()) - {"numbers", "audit_logs"}
