"""Writers into the items of a dataset, whose old versions Langfuse closes and keeps."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.concurrent_postgres import at_work
from lf_export_pipeline_tests.integration.core.concurrent_writers import (
    AT_ONCE,
    BEGINNING,
    CHANGING,
    CREATED_AT,
    LATE,
    PADDING,
    SIZES,
    Busy,
    ids_of,
    iso,
)

SHOWN_OF_ITEMS = ("sourceTraceId", "input", "expectedOutput", "metadata")

_SAID = "%(said)s || id || ' ' || %(padding)s"
_INSERT = (
    "INSERT INTO dataset_items (id, project_id, dataset_id, created_at, updated_at, valid_from, "
    "is_deleted, source_trace_id, input, expected_output, metadata)"
)
_INSTANT = f"CAST(CASE WHEN id LIKE '%%{LATE}' THEN %(late)s ELSE %(instant)s END AS timestamp)"
_ITEM = (
    f"id, %(project)s, 'ds', {_INSTANT}, {_INSTANT}, {_INSTANT}, %(is_deleted)s, "
    f"{_SAID}, to_jsonb({_SAID}), to_jsonb({_SAID}), to_jsonb({_SAID})"
)


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a project's only dataset."""

    project: Project
    name: str = "dataset_items"

    def add_first_versions(self) -> None:
        """The dataset, and all items as they are before anybody writes."""
        times = {"created_at": iso(BEGINNING), "updated_at": iso(BEGINNING)}
        name = {"id": "ds", "name": self.project.id, "remote_experiment_enabled": True}
        self.project.add_to_postgres("datasets", {**name, **times})
        with postgres_transaction(self.project.addresses) as connection:
            self.add(connection.cursor(), [row_id for group in SIZES for row_id in ids_of(group)])

    def add(self, cursor: Cursor, row_ids: Sequence[str]) -> None:
        """First versions."""
        cursor.execute(f"{_INSERT} SELECT {_ITEM} FROM unnest(%(ids)s) AS id", self._about(row_ids))

    def supersede(
        self, cursor: Cursor, row_ids: Sequence[str], version: int, *, is_deleted: bool = False
    ) -> None:
        """Close the current versions and add newer ones, in one statement."""
        cursor.execute(
            f"WITH closed AS (UPDATE dataset_items SET valid_to = now() WHERE project_id = "
            f"%(project)s AND id = ANY(%(ids)s) AND valid_to IS NULL RETURNING id) "
            f"{_INSERT} SELECT {_ITEM} FROM closed",
            {**self._about(row_ids, version), "is_deleted": is_deleted},
        )

    def erase(self, cursor: Cursor, row_ids: Sequence[str]) -> None:
        """All versions."""
        sql = "DELETE FROM dataset_items WHERE project_id = %(project)s AND id = ANY(%(ids)s)"
        cursor.execute(sql, self._about(row_ids))

    def _about(self, row_ids: Sequence[str], version: int = 0) -> dict[str, Any]:
        about = {"project": self.project.id, "ids": list(row_ids), "late": iso(CREATED_AT)}
        said = {"said": f"version {version} of ", "padding": PADDING, "is_deleted": False}
        return {**about, **said, "instant": iso(BEGINNING + timedelta(milliseconds=version))}


@contextmanager
def item_writers(items: Items) -> Iterator[Busy]:
    """Writers of every kind, and VACUUM, all of them at work until the context is left."""
    busy = Busy()
    versions = count(1)

    def change(cursor: Cursor) -> None:
        chosen, version = random.sample(ids_of(CHANGING), AT_ONCE), next(versions)
        items.supersede(cursor, chosen, version)
        busy.changed.update(dict.fromkeys(chosen, version))

    def leave(cursor: Cursor) -> None:
        with busy.leavers() as gone:
            items.supersede(cursor, gone, next(versions), is_deleted=True)

    with at_work(items, busy, change, leave):
        yield busy
