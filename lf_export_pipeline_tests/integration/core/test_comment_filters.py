"""Filters on comments, from the ids in Postgres to the rows in ClickHouse."""

import pytest

from lf_export_pipeline_tests.exporting import Project, Row, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [pytest.mark.services, pytest.mark.sampled]

KINDS = pytest.mark.parametrize(
    ("table", "kind"), [("traces", "TRACE"), ("observations", "OBSERVATION")]
)


def add_rows(project: Project, table: str, kind: str) -> None:
    """Rows ``none``, ``one`` and ``two``, which have as many comments."""
    project.add(table, *({"id": name, "name": name[0]} for name in ("none", "one", "two")))
    contents = {"one": ["A slow answer"], "two": ["slowly", "100% wrong"]}
    project.add_to_postgres(
        "comments",
        *(
            {"id": f"{project.id}-{row}-{at}", "object_type": kind, "object_id": row}
            | {"content": content}
            for row, texts in contents.items()
            for at, content in enumerate(texts)
        ),
    )


def content(name: str, operator: str, text: str) -> Row:
    return where(name, "string", operator, text)


def count(name: str, operator: str, number: float) -> Row:
    return where(name, "number", operator, number)


@KINDS
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([count("commentCount", ">=", 1)], {"one", "two"}),
        ([count("Comment Count", "=", 2)], {"two"}),
        ([count("commentCount", "=", 0)], {"none"}),
        ([count("Comment Count", "<", 2)], {"none", "one"}),
        ([count("commentCount", ">", 0.5), count("commentCount", "<=", 1)], {"one"}),
        ([count("commentCount", "=", 2), count("commentCount", "=", 1)], set()),
        ([content("commentContent", "contains", "SLOW answers")], {"one"}),
        ([content("Comment Content", "=", "100%")], {"two"}),
        ([content("commentContent", "starts with", "a SLOW")], {"one"}),
        ([content("commentContent", "=", "slow"), count("Comment Count", "<", 2)], {"one"}),
        ([content("commentContent", "contains", "nowhere")], set()),
    ],
)
def test_comment_filters_select_rows_by_either_name(
    project: Project, table: str, kind: str, wanted: list[Row], expected: set[str]
) -> None:
    add_rows(project, table, kind)
    assert project.ids(table, *wanted) == expected


@KINDS
def test_comment_filters_are_joined_with_the_others_by_and(
    project: Project, table: str, kind: str
) -> None:
    add_rows(project, table, kind)
    column = "traceName" if table == "traces" else "name"
    only_one = where(column, "stringOptions", "any of", ["o"])
    assert project.ids(table, count("commentCount", ">", 0), only_one) == {"one"}
    assert project.ids(table, count("commentCount", "=", 0), only_one) == set()


@KINDS
def test_comments_of_other_projects_and_of_other_objects_do_not_count(
    new_project: NewProject, table: str, kind: str
) -> None:
    ours, theirs = new_project(), new_project()
    add_rows(theirs, table, kind)
    ours.add(table, {"id": "one"}, {"id": "two"})
    session = {"object_type": "SESSION", "object_id": "two", "content": "slow"}
    ours.add_to_postgres("comments", {"id": f"{ours.id}-s", **session})
    assert ours.ids(table, count("commentCount", ">", 0)) == set()
    assert ours.ids(table, count("commentCount", "=", 0)) == {"one", "two"}
