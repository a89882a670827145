"""Comment filters on a real Postgres: which objects their statements find."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from lf_export_localstack.sample.rows import insert_postgres_rows, postgres_transaction
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.postgres_reader import PostgresReader, connect
from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.comments import apply_comment_filters, comment_preflight_queries
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import BatchExportQuery, ExportFormat, ExportRequest

pytestmark = pytest.mark.services

COMMENTS = {
    "one": ["This is a bug"],
    "two": ["Bugs everywhere, running", "100% sure_thing"],
    "three": ["日本語コメント", "looks good", "back\\slash"],
}
ALL = set(COMMENTS)


@pytest.fixture(scope="module")
def project(stack: LocalStack) -> Iterator[str]:
    """A project of its own with comments, and strangers that must never be found."""
    project, stranger = f"project-{uuid4()}", f"project-{uuid4()}"
    rows = [
        {"project_id": project, "object_type": "TRACE", "object_id": name, "content": content}
        for name, contents in COMMENTS.items()
        for content in contents
    ]
    rows += [
        {**rows[0], "project_id": stranger, "object_id": "stranger"},
        {**rows[0], "object_type": "SESSION", "object_id": "session"},
    ]
    with postgres_transaction(stack.addresses()) as connection:
        insert_postgres_rows(
            connection, "comments", (json.dumps({"id": str(uuid4()), **row}) for row in rows)
        )
    yield project
    with postgres_transaction(stack.addresses()) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM comments WHERE project_id IN %s", ((project, stranger),))


@pytest.fixture(scope="module")
def reader(stack: LocalStack) -> Iterator[PostgresReader]:
    engine = connect(stack.addresses().database_url)
    yield PostgresReader(engine)
    engine.dispose()


def request(project: str, *filters: dict[str, Any]) -> ExportRequest:
    query = {"tableName": "traces", "filter": list(filters), "orderBy": None}
    return ExportRequest(
        export_id="e",
        project_id=project,
        user_id="u",
        name="n",
        created_at=datetime(2031, 3, 20, tzinfo=UTC),
        format=ExportFormat.CSV,
        query=BatchExportQuery.model_validate(query),
    )


def remaining(
    reader: PostgresReader,
    wanted: ExportRequest,
    limits: ExportLimits = ExportLimits(),  # noqa: B008 - frozen
) -> set[str]:
    """The commented objects that the filters let through."""
    statements = comment_preflight_queries(wanted, "TRACE", limits)
    answers = {name: reader.rows(statement) for name, statement in statements.items()}
    selection = apply_comment_filters(wanted, answers, limits)
    included = ALL if selection.included_ids is None else set(selection.included_ids)
    return included - selection.excluded_ids


def count(operator: str, value: Any) -> dict[str, Any]:
    return {"type": "number", "column": "commentCount", "operator": operator, "value": value}


def content(operator: str, value: str) -> dict[str, Any]:
    return {"type": "string", "column": "commentContent", "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([count("=", 2)], {"two"}),
        ([count("=", 2.5)], set()),
        ([count(">", 1.5)], {"two", "three"}),
        ([count(">=", 1), count("<", 3)], {"one", "two"}),
        ([count("=", 2), count("=", 3)], set()),
        ([count("=", 0)], set()),
        ([count("<=", 2)], {"one", "two"}),
        ([count("<", -1)], set()),
        ([count(">=", -(10**400))], ALL),
        ([count("<", 10**400)], ALL),
        ([count(">", float("inf"))], set()),
        ([content("contains", "bug")], {"one", "two"}),
        ([content("contains", "the bugs")], {"one", "two"}),
        ([content("contains", "run everywhere")], {"two"}),
        ([content("contains", "  ")], set()),
        ([content("contains", "the")], set()),
        ([content("contains", "日本語コメント")], {"three"}),
        ([content("contains", "' OR :project_id --")], set()),
        ([content("=", "IS A")], {"one"}),
        ([content("does not contain", "bug")], {"two", "three"}),
        ([content("starts with", "this")], {"one"}),
        ([content("starts with", "100%")], {"two"}),
        ([content("starts with", "1_0")], {"two"}),
        ([content("ends with", "GOOD")], {"three"}),
        ([content("ends with", "\\")], set()),
        ([content("=", "back\\\\slash")], {"three"}),
        ([content("contains", "bug"), content("contains", "sure_thing")], {"two"}),
        ([content("contains", "bug"), count("<=", 1)], {"one"}),
        ([content("contains", "bug"), count(">=", 0)], {"one", "two"}),
        ([content("contains", "bug"), count(">", 1)], {"two"}),
        ([content("contains", "bug"), content("contains", "the")], set()),
        ([content("contains", "looks"), content("contains", "slash")], {"three"}),
        ([content("contains", "bug"), content("does not contain", "bug")], {"two"}),
        ([content("does not contain", "b"), content("does not contain", "o")], {"two", "three"}),
        ([content("=", "LOOKS"), content("starts with", "日本"), count("=", 3)], {"three"}),
        ([content("contains", "bug"), content("=", "100"), count("=", 2)], {"two"}),
        ([content("contains", "bug"), content("=", "100"), count("=", 1)], set()),
    ],
    ids=lambda value: (
        "+".join(f"{f['operator']} {str(f['value'])[:20]}" for f in value)
        if isinstance(value, list)
        else ""
    ),
)
def test_comment_filters_find_the_right_objects(
    reader: PostgresReader, project: str, filters: list[dict[str, Any]], expected: set[str]
) -> None:
    assert remaining(reader, request(project, *filters)) == expected


@pytest.mark.parametrize(
    "filters",
    [
        [content("contains", f"word{at}") for at in range(20)],
        [content("does not contain", f"word{at}") for at in range(20)],
        [content("contains", "word")],
        [content("contains", "a"), content("starts with", "b"), count(">", 1)],
    ],
    ids=["words", "parts", "one", "mixed"],
)
def test_the_comments_are_read_once_however_many_filters_there_are(
    reader: PostgresReader, project: str, filters: list[dict[str, Any]]
) -> None:
    (statement,) = comment_preflight_queries(
        request(project, *filters), "TRACE", ExportLimits()
    ).values()
    plan = statement.model_copy(update={"sql": f"EXPLAIN (VERBOSE) {statement.sql}"})
    lines = [str(line) for (line,) in reader.rows(plan)]
    scans = [line for line in lines if " on public.comments" in line]
    assert len(scans) == 1
    assert not any("Join" in line or "Loop" in line or "SubPlan" in line for line in lines)
    assert statement.sql.count("to_tsvector(") <= 1
    assert statement.sql.count("lower(content)") <= 1


def test_the_limit_is_told_with_the_number_of_objects(reader: PostgresReader, project: str) -> None:
    wanted = request(project, count(">=", 1))
    assert remaining(reader, wanted, ExportLimits(comment_filter_limit=3)) == ALL
    with pytest.raises(
        InvalidFilterError, match=r"^Comment filter matches 3 traces \(limit: 1\)\."
    ):
        remaining(reader, wanted, ExportLimits(comment_filter_limit=1))
