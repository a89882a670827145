"""Langfuse's projects and users, as far as ``deploy/sql/postgres_role.sql`` lets them be read."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from lf_export_pipeline.adapters.postgres.memberships import is_member
from lf_export_pipeline.adapters.postgres.postgres_errors import postgres_errors

LISTED_MAX = 10_000

_PROJECTS = sa.table("projects", sa.column("id"))
_USERS = sa.table("users", *map(sa.column, ("id", "email", "name")))


@dataclass(frozen=True, slots=True)
class Person:
    """A user; who has neither e-mail nor name is known by the id alone."""

    id: str
    email: str | None
    name: str | None

    @property
    def known_as(self) -> str:
        """What people call them by."""
        return self.email or self.name or self.id


class PostgresDirectory:
    """Who and what there is in Langfuse's database. Threads may share it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def has_project(self, project_id: str) -> bool:
        """Whether there is a project of this id."""
        query = sa.select(_PROJECTS.c.id).where(_PROJECTS.c.id == project_id)
        with postgres_errors(), self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def project_ids(self) -> list[str]:
        """The ids of the projects, sorted, at most ``LISTED_MAX``."""
        query = sa.select(_PROJECTS.c.id).order_by(_PROJECTS.c.id).limit(LISTED_MAX)
        with postgres_errors(), self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def people(self, ids: Collection[str]) -> dict[str, Person]:
        """The users of these ids, those that there are."""
        return {one.id: one for one in self._people(_USERS.c.id.in_(list(ids)))} if ids else {}

    def members(self, project_id: str) -> list[Person]:
        """The users who have a role in the organization of a project, at most ``LISTED_MAX``."""
        return self._people(is_member(_USERS.c.id, project_id))

    def _people(self, condition: sa.ColumnElement[bool]) -> list[Person]:
        query = sa.select(*_USERS.c).where(condition).order_by(_USERS.c.id).limit(LISTED_MAX)
        with postgres_errors(), self._engine.connect() as connection:
            return [Person(*row) for row in connection.execute(query)]
