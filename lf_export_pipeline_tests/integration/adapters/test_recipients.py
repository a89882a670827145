"""Who may be told of an export: those whom Langfuse lets see the project, by their role."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.errors import ConfigurationError

pytestmark = pytest.mark.services

ROWS = """
    INSERT INTO users (id, email) VALUES ('user-{w}', 'user-{w}@x.test');
    INSERT INTO organizations (id, name) VALUES ('org-{w}', 'O'), ('abroad-{w}', 'A');
    INSERT INTO projects (id, name, org_id) VALUES
        ('project-{w}', 'P', 'org-{w}'), ('next-{w}', 'N', 'org-{w}'),
        ('far-{w}', 'F', 'abroad-{w}')
"""
MEMBER = """
    INSERT INTO organization_memberships (id, org_id, user_id, role)
    VALUES ('m-{org}-{w}', '{org}-{w}', 'user-{w}', '{role}')
"""
PROJECT_MEMBER = """
    INSERT INTO project_memberships (org_membership_id, project_id, user_id, role)
    VALUES ('m-{org}-{w}', '{project}-{w}', 'user-{w}', '{role}')
"""


@pytest.fixture
def word(database: LangfusePostgres) -> str:
    """Ends the ids of a user without any role, of three projects and of their organizations."""
    word = secrets.token_hex(6)
    execute(database, ROWS, w=word)
    return word


def execute(database: LangfusePostgres, statement: str, **values: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text(statement.format(**values)))


@pytest.mark.parametrize(
    ("in_organization", "in_project", "is_told"),
    [
        ("OWNER", None, True),
        ("ADMIN", None, True),
        ("MEMBER", None, True),
        ("VIEWER", None, True),
        ("NONE", None, False),
        ("NONE", "VIEWER", True),
        ("NONE", "OWNER", True),
        ("NONE", "NONE", False),
        ("MEMBER", "VIEWER", True),
        ("MEMBER", "NONE", False),
        ("OWNER", "NONE", False),
        (None, None, False),
    ],
)
def test_the_role_in_a_project_wins_over_the_one_in_its_organization(
    database: LangfusePostgres,
    word: str,
    in_organization: str | None,
    in_project: str | None,
    is_told: bool,
) -> None:
    if in_organization:
        execute(database, MEMBER, w=word, org="org", role=in_organization)
    if in_project:
        execute(database, PROJECT_MEMBER, w=word, org="org", project="project", role=in_project)
    lenient = PostgresBatchExportRepository(database.engine, require_membership=False)

    assert bool(database.exports.recipient(f"user-{word}", f"project-{word}")) is is_told
    assert lenient.recipient(f"user-{word}", f"project-{word}")


def test_a_role_in_one_project_opens_no_other(database: LangfusePostgres, word: str) -> None:
    for org, project in (("org", "next"), ("abroad", "far")):
        execute(database, MEMBER, w=word, org=org, role="NONE")
        execute(database, PROJECT_MEMBER, w=word, org=org, project=project, role="ADMIN")
    seen = [
        project
        for project in ("project", "next", "far")
        if database.exports.recipient(f"user-{word}", f"{project}-{word}")
    ]

    assert seen == ["next", "far"]


NARROW_ROLE = """
    CREATE ROLE narrow_{w};
    GRANT SELECT ON users, projects, organization_memberships TO narrow_{w}
"""
SCHEMA_WITHOUT_ROLES_IN_PROJECTS = """
    CREATE SCHEMA only_{w};
    CREATE VIEW only_{w}.users AS SELECT * FROM users;
    CREATE VIEW only_{w}.projects AS SELECT * FROM projects;
    CREATE VIEW only_{w}.organization_memberships AS SELECT * FROM organization_memberships
"""


@pytest.mark.parametrize(("role", "is_told"), [("MEMBER", True), ("NONE", False), (None, False)])
def test_where_there_are_no_roles_in_projects_those_in_organizations_count(
    database: LangfusePostgres, word: str, *, role: str | None, is_told: bool
) -> None:
    execute(database, SCHEMA_WITHOUT_ROLES_IN_PROJECTS, w=word)
    if role:
        execute(database, MEMBER, w=word, org="org", role=role)
    with engine_with(database, f"-c search_path=only_{word}") as engine:
        found = PostgresBatchExportRepository(engine).recipient(f"user-{word}", f"project-{word}")
    assert bool(found) is is_told


@pytest.mark.parametrize("in_project", ["NONE", None])
def test_where_roles_in_projects_may_not_be_read_nobody_is_told(
    database: LangfusePostgres, word: str, in_project: str | None
) -> None:
    execute(database, NARROW_ROLE, w=word)
    execute(database, MEMBER, w=word, org="org", role="MEMBER")
    if in_project:
        execute(database, PROJECT_MEMBER, w=word, org="org", project="project", role=in_project)
    with engine_with(database, f"-c role=narrow_{word}") as engine:
        strict, lenient = (
            PostgresBatchExportRepository(engine),
            PostgresBatchExportRepository(engine, require_membership=False),
        )
        with pytest.raises(ConfigurationError, match=r"grant it what deploy/sql/postgres_role.sql"):
            strict.recipient(f"user-{word}", f"project-{word}")
        assert lenient.recipient(f"user-{word}", f"project-{word}")


@contextmanager
def engine_with(database: LangfusePostgres, options: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database.engine.url, connect_args={"options": options})
    try:
        yield engine
    finally:
        engine.dispose()
