"""Writers into the audit logs, where nothing changes: entries are added, and old ones deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.concurrent_postgres import at_work
from lf_export_pipeline_tests.integration.core.concurrent_writers import (
    SIZES,
    Busy,
    beginning_of,
    ids_of,
    iso,
    text_of,
)

SHOWN_OF_LOGS = ("before", "after")

# The number in an id is not the place in time: neighbours in the file are not written together.
_INSERT = """
INSERT INTO audit_logs (id, project_id, org_id, resource_type, resource_id, action, created_at,
                        before, after)
SELECT concat(id, ' of ', %(project)s), %(project)s, 'org', 'trace', 'r', 'create',
       CAST(beginning AS timestamp) + mod(abs(hashtext(id)), 86400) * interval '1 second',
       said, said
FROM unnest(%(ids)s, %(beginnings)s, %(said)s) AS entry (id, beginning, said)
"""
_DELETE = "DELETE FROM audit_logs WHERE project_id = %(project)s AND id = ANY(%(ids)s)"


@dataclass(frozen=True, slots=True)
class Logs:
    """The audit logs of a project; ids are those of all projects, so they name theirs."""

    project: Project
    name: str = "audit_logs"

    def add_first_versions(self) -> None:
        """All entries as they are before anybody writes."""
        with postgres_transaction(self.project.addresses) as connection:
            self.add(connection.cursor(), [row_id for group in SIZES for row_id in ids_of(group)])

    def add(self, cursor: Cursor, row_ids: Sequence[str]) -> None:
        """New entries."""
        entries = {
            "ids": list(row_ids),
            "beginnings": [iso(beginning_of(row_id)) for row_id in row_ids],
            "said": [text_of(row_id, 0) for row_id in row_ids],
        }
        cursor.execute(_INSERT, {**entries, "project": self.project.id})

    def erase(self, cursor: Cursor, row_ids: Sequence[str]) -> None:
        """As retention does; it takes the oldest, here they are anywhere in the file."""
        ids = [f"{row_id} of {self.project.id}" for row_id in row_ids]
        cursor.execute(_DELETE, {"project": self.project.id, "ids": ids})


@contextmanager
def log_writers(logs: Logs) -> Iterator[Busy]:
    """Those who add and delete, and VACUUM, all of them at work until the context is left."""
    busy = Busy()
    with at_work(logs, busy):
        yield busy
