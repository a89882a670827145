"""Writers into a table of Postgres, and VACUUM."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Protocol

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.concurrent_writers import Busy, at_full_speed


class Table(Protocol):
    """A table whose rows belong to a project."""

    @property
    def name(self) -> str:
        """In the database."""
        ...

    @property
    def project(self) -> Project:
        """Whose rows are written."""
        ...

    def add(self, cursor: Cursor, row_ids: Sequence[str]) -> None:
        """First versions."""
        ...

    def erase(self, cursor: Cursor, row_ids: Sequence[str]) -> None:
        """All versions."""
        ...


@contextmanager
def at_work(table: Table, busy: Busy, *deeds: Callable[[Cursor], None]) -> Iterator[None]:
    """Those who add and erase rows, VACUUM, and who else there is, on connections of their own."""

    def come(cursor: Cursor) -> None:
        with busy.newcomers() as new:
            table.add(cursor, new)

    def erase(cursor: Cursor) -> None:
        with busy.leavers() as gone:
            table.erase(cursor, gone)

    def clean(cursor: Cursor) -> None:
        cursor.execute(f"VACUUM {table.name}")

    @contextmanager
    def own_cursor() -> Iterator[Cursor]:
        connection = psycopg2.connect(table.project.addresses.database_url)
        connection.autocommit = True  # each deed is one statement
        with closing(connection), connection.cursor() as cursor:
            yield cursor

    with at_full_speed(busy, own_cursor, come, erase, clean, *deeds):
        yield
