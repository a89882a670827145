"""Cells that Postgres knows: comments and their authors, models and their prices."""

import json
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project

pytestmark = [
    pytest.mark.services,
    pytest.mark.sampled,
    pytest.mark.usefixtures("looked_up"),
]


def add_comments(project: Project, object_type: str) -> None:
    user = {"id": f"{project.id}-ada", "email": f"{project.id}@example.test"}
    project.add_shared("users", user, {"id": f"{project.id}-nameless", "email": None})
    about = {"object_type": object_type, "object_id": "row"}
    project.add_to_postgres(
        "comments",
        {
            "id": f"{project.id}-3",
            "content": "3 \u2028 \\u00e9",
            "created_at": "2031-03-03",
            **about,
        },
        {
            "id": f"{project.id}-1",
            "content": 'first\n"line"',
            "created_at": "2031-03-01T00:00:00.5",
            "author_user_id": user["id"],
            **about,
        },
        {
            "id": f"{project.id}-2",
            "content": "after the cutoff",
            "created_at": "2031-12-31T00:00:00",
            "author_user_id": f"{project.id}-nameless",
            **about,
        },
        {"id": f"{project.id}-0", "content": "of a stranger", "created_at": "2031-03-02"}
        | {"author_user_id": "nobody", **about},
        {"id": f"{project.id}-9", "content": "elsewhere", "object_id": "row"}
        | {"object_type": "PROMPT"},
    )


@pytest.mark.parametrize(("table", "kind"), [("traces", "TRACE"), ("observations", "OBSERVATION")])
def test_comments_are_listed_oldest_first_with_their_authors(
    project: Project, table: str, kind: str
) -> None:
    project.add(table, {"id": "row"})
    add_comments(project, kind)
    expected: list[dict[str, Any]] = [
        {
            "id": f"{project.id}-1",
            "content": 'first\n"line"',
            "author_email": f"{project.id}@example.test",
            "created_at": "2031-03-01T00:00:00.500Z",
        },
        {
            "id": f"{project.id}-0",
            "content": "of a stranger",
            "author_email": None,
            "created_at": "2031-03-02T00:00:00.000Z",
        },
        {
            "id": f"{project.id}-3",
            "content": "3 \u2028 \u00e9",
            "author_email": None,
            "created_at": "2031-03-03T00:00:00.000Z",
        },
        {
            "id": f"{project.id}-2",
            "content": "after the cutoff",
            "author_email": None,
            "created_at": "2031-12-31T00:00:00.000Z",
        },
    ]
    assert project.export(table).row["comments"] == expected
    cell = project.export(table, file_format="CSV").cells["comments"]
    assert cell == json.dumps(expected, indent=2, ensure_ascii=False)


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("0.0000025", "0.0000025"),
        ("0.00000015", "1.5e-7"),
        ("0.000001", "0.000001"),
        ("15", "15"),
        ("0.1", "0.1"),
        ("1000000000000000000000", "1e+21"),
        ("0.123456789012345678901234567890", "0.12345678901234568"),
        ("0", "0"),
    ],
)
def test_prices_are_those_of_the_default_tier_written_as_the_original_does(
    project: Project, price: str, shown: str
) -> None:
    model = f"model-{project.id}"
    project.add_to_postgres("models", {"id": model, "model_name": model, "match_pattern": ""})
    tiers = {"default": True, "special": False}
    project.add_shared(
        "pricing_tiers",
        *(
            {"id": f"{model}-{name}", "model_id": model, "name": name, "is_default": default}
            | {"priority": int(default), "conditions": []}
            for name, default in tiers.items()
        ),
    )
    project.add_to_postgres(
        "prices",
        *(
            {"id": f"{model}-{name}", "model_id": model, "pricing_tier_id": f"{model}-{name}"}
            | {"usage_type": "input", "price": price if name == "default" else "7"}
            for name in tiers
        ),
    )
    project.add("observations", {"id": "row", "internal_model_id": model})
    row = project.export("observations").row
    assert (row["modelId"], row["inputPrice"]) == (model, shown)
    assert (row["outputPrice"], row["totalPrice"]) == (None, None)
    cells = project.export("observations", file_format="CSV").cells
    assert cells["inputPrice"] == f'"{shown}"'


def test_models_of_other_projects_are_not_shown_and_shared_ones_are(project: Project) -> None:
    foreign, shared = f"foreign-{project.id}", f"shared-{project.id}"
    project.add_shared(
        "models",
        {"id": foreign, "project_id": "another", "model_name": foreign, "match_pattern": ""},
        {"id": shared, "project_id": None, "model_name": shared, "match_pattern": ""},
    )
    project.add(
        "observations",
        {"id": "a", "internal_model_id": foreign},
        {"id": "b", "internal_model_id": shared},
        {"id": "c"},
    )
    rows = project.export("observations").rows
    assert [row["modelId"] for row in rows] == [None, shared, None]
    assert [row["internalModelId"] for row in rows] == [foreign, shared, None]
