"""Which users may see a project, as conditions for the rows of ``users``."""

import sqlalchemy as sa

_PROJECTS = sa.table("projects", *map(sa.column, ("id", "org_id")))
_MEMBERS = sa.table(
    "organization_memberships", *map(sa.column, ("id", "org_id", "user_id", "role"))
)
PROJECT_MEMBERS = sa.table(
    "project_memberships", *map(sa.column, ("org_membership_id", "project_id", "role"))
)


def may_see(user_id: str, project_id: str) -> sa.Exists:
    """Langfuse: the role in a project, or else the one in its organization; NONE sees nothing."""
    in_project = sa.and_(
        PROJECT_MEMBERS.c.org_membership_id == _MEMBERS.c.id,
        PROJECT_MEMBERS.c.project_id == _PROJECTS.c.id,
    )
    role = sa.cast(sa.func.coalesce(PROJECT_MEMBERS.c.role, _MEMBERS.c.role), sa.Text)
    memberships = _MEMBERS.join(_PROJECTS, _PROJECTS.c.org_id == _MEMBERS.c.org_id)
    # Without a column of its own EXISTS selects `*`, which asks for the right to read every column.
    return (
        sa.exists(_MEMBERS.c.user_id)
        .select_from(memberships.outerjoin(PROJECT_MEMBERS, in_project))
        .where(_MEMBERS.c.user_id == user_id, _PROJECTS.c.id == project_id, role != "NONE")
    )


def is_member(user_id: str | sa.ColumnElement[str], project_id: str) -> sa.Exists:
    """Whether the role in the organization lets a user see its projects."""
    return (
        sa.exists(_MEMBERS.c.user_id)
        .select_from(_MEMBERS.join(_PROJECTS, _PROJECTS.c.org_id == _MEMBERS.c.org_id))
        .where(
            _MEMBERS.c.user_id == user_id,
            _PROJECTS.c.id == project_id,
            sa.cast(_MEMBERS.c.role, sa.Text) != "NONE",
        )
    )
