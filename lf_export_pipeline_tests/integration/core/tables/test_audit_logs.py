"""Audit logs: as they are, the youngest first, and filtered where the original ignores it."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline_tests.exporting import CUTOFF, NOON, Project, where

pytestmark = pytest.mark.services


def add_logs(project: Project, *logs: dict[str, Any]) -> None:
    """Entries whose ids, which are unique across projects, get the project's id as a prefix."""
    defaults = {"created_at": NOON, "updated_at": NOON, "org_id": "org", "type": "USER"}
    defaults |= {"resource_type": "trace", "resource_id": "r", "action": "create"}
    project.add_to_postgres(
        "audit_logs",
        *({**defaults, **log, "id": f"{project.id}-{log['id']}"} for log in logs),
    )


def names(project: Project, *filters: Any, **options: Any) -> list[str]:
    found = project.export("audit_logs", filters, **options)
    return [name.removeprefix(f"{project.id}-") for name in found.ids]


def test_an_entry_is_exported_as_it_is(project: Project) -> None:
    texts = {"before": '{"a": 1.0}', "after": "", "api_key_id": "k", "user_project_role": "ADMIN"}
    add_logs(project, {"id": "a", **texts})
    assert project.export("audit_logs").row == {
        "id": f"{project.id}-a",
        "createdAt": NOON,
        "updatedAt": NOON,
        "type": "USER",
        "apiKeyId": "k",
        "userId": None,
        "orgId": "org",
        "userOrgRole": None,
        "projectId": project.id,
        "userProjectRole": "ADMIN",
        "resourceType": "trace",
        "resourceId": "r",
        "action": "create",
        "before": '{"a": 1.0}',
        "after": "",
    }


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_the_youngest_is_first_and_ties_are_in_the_order_of_ids(
    project: Project, chunk_rows: int
) -> None:
    add_logs(project, *({"id": name} for name in "cab"))
    add_logs(project, {"id": "young", "created_at": "2031-03-02T00:00:00.000Z"})
    add_logs(project, {"id": "cutoff", "created_at": CUTOFF.isoformat()})
    order = {"column": "nope", "order": "ASC"}
    found = names(project, chunk_rows=chunk_rows, orderBy=order, searchQuery="zzz")
    assert found == ["young", "a", "b", "c"]


def test_entries_of_other_projects_and_of_none_are_not_seen(project: Project) -> None:
    add_logs(project, {"id": "own"}, {"id": "none", "project_id": None})
    stranger = Project(project.addresses, project.client, project.reader, project.settings)
    add_logs(stranger, {"id": "other"})
    assert names(project) == ["own"]


@pytest.mark.parametrize(("row_limit", "hit"), [(2, True), (3, False)])
def test_the_row_limit_is_exact(project: Project, row_limit: int, hit: bool) -> None:
    add_logs(project, *({"id": name} for name in "abc"))
    found = project.export("audit_logs", row_limit=row_limit)
    assert (len(found.rows), found.limit_hit) == (row_limit, hit)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (where("action", "stringOptions", "any of", ["delete"]), ["b"]),
        (where("action", "string", "contains", "CREA"), ["a"]),
        (where("type", "string", "=", "API_KEY"), ["b"]),
        (where("userId", "null", "is null", ""), ["b"]),
        (where("userId", "stringOptions", "none of", ["x"]), ["a"]),
        (where("createdAt", "datetime", "<", "2031-03-02T00:00:00Z"), ["a"]),
        (where("updatedAt", "datetime", ">=", NOON), ["b", "a"]),
        (where("before", "string", "contains", "'; DROP TABLE audit_logs; --"), []),
    ],
)
def test_filters_on_exported_columns_are_applied(
    project: Project, wanted: Any, expected: list[str]
) -> None:
    add_logs(
        project,
        {"id": "a", "user_id": "u"},
        {"id": "b", "action": "delete", "type": "API_KEY", "created_at": "2031-03-03T00:00:00Z"},
    )
    assert names(project, wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (where("nope", "string", "=", "x"), "Invalid filter column: 'nope'"),
        (where("created_at", "datetime", ">", NOON), "Did you mean createdAt"),
        (where("action", "number", "=", 1), "Invalid filter type 'number' for column 'action'"),
        (where("createdAt", "string", "=", "x"), "it takes a datetime or null filter"),
    ],
)
def test_filters_that_cannot_be_applied_are_refused(
    project: Project, wanted: Any, sentence: str
) -> None:
    with pytest.raises(InvalidFilterError, match=sentence):
        project.export("audit_logs", [wanted])
