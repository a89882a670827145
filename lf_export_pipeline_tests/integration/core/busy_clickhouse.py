"""Writers into a table of ClickHouse, and those who merge it.

Every third version moves its row to another day, and each moves a score to another name: to another
place of the sorting key.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

from lf_export_pipeline.local.rows import clickhouse_client
from lf_export_pipeline_tests.exporting import Project, Row
from lf_export_pipeline_tests.integration.core.busy_writers import (
    AT_ONCE,
    BEGINNING,
    CHANGING,
    DELETION,
    SIZES,
    Busy,
    at_full_speed,
    ids_of,
    iso,
    text_of,
)

DAYS = 17  # all of them before the cutoff


@dataclass(frozen=True, slots=True)
class Subject:
    """A table of ClickHouse as its writers know it.

    Attributes:
        table: Its name in the database.
        asked: What is asked for: the word in ``tableName``, and more.
        key: The column with the id.
        time: The column whose day is part of the sorting key.
        shown: The columns that tell the version, with the names that they have in the file.
        constant: What all rows have in common.
    """

    table: str
    asked: Mapping[str, Any]
    key: str
    time: str
    shown: Mapping[str, str]
    constant: Row = field(default_factory=dict)

    def row(self, row_id: str, version: int = 0, *, is_deleted: bool = False) -> Row:
        """One version of a row; a deletion lies where the first version lies."""
        number = int(row_id.partition("-")[0])
        has_moved = version % 3 == 0 and not is_deleted
        day = (number + version * has_moved) % DAYS
        said = DELETION if is_deleted else text_of(row_id, version)
        texts = dict.fromkeys(self.shown, said)
        return {
            **self.constant,
            **texts,
            self.key: row_id,
            self.time: iso(BEGINNING + timedelta(days=day, seconds=number % 3_600)),
            "event_ts": iso(BEGINNING + timedelta(milliseconds=version)),
            "is_deleted": int(is_deleted),
        }


_TEXTS = {"name": "name", "version": "version", "input": "input", "output": "output"}
_USERS = {"user_id": "userId", "session_id": "sessionId"}
_TRACE = {"trace_id": "trace"}
SUBJECTS = (
    Subject("traces", {"table": "traces"}, "id", "timestamp", {**_TEXTS, **_USERS}),
    Subject("observations", {"table": "observations"}, "id", "start_time", _TEXTS, _TRACE),
    Subject(
        "events_full", {"table": "events"}, "span_id", "start_time", {**_TEXTS, **_USERS}, _TRACE
    ),
    Subject(
        "scores",
        {"table": "scores"},
        "id",
        "timestamp",
        {"name": "name", "comment": "comment", "string_value": "stringValue"},
        {"data_type": "CATEGORICAL"},
    ),
)


def add_first_versions(project: Project, subject: Subject) -> None:
    """All rows as they are before anybody writes."""
    rows = [subject.row(row_id) for group in SIZES for row_id in ids_of(group)]
    project.add(subject.table, *rows)


@contextmanager
def clickhouse_writers(project: Project, subject: Subject) -> Iterator[Busy]:
    """Writers of every kind, and merges, all of them at work until the context is left."""
    busy = Busy()
    versions = count(1)

    def change(own: Project) -> None:
        version = next(versions)
        chosen = random.sample(ids_of(CHANGING), AT_ONCE)
        own.add(subject.table, *(subject.row(row_id, version) for row_id in chosen))
        busy.changed.update(dict.fromkeys(chosen, version))

    def come(own: Project) -> None:
        new = busy.newcomers()
        own.add(subject.table, *(subject.row(row_id) for row_id in new))
        busy.come.update(new)

    def leave(own: Project) -> None:
        with busy.leavers() as gone:
            version = next(versions)
            rows = [subject.row(row_id, version, is_deleted=True) for row_id in gone]
            own.add(subject.table, *rows)

    def erase(own: Project) -> None:
        with busy.leavers() as gone:
            own.client.command(
                f"DELETE FROM {subject.table} WHERE project_id = {{project:String}} "
                f"AND {subject.key} IN {{ids:Array(String)}}",
                parameters={"project": own.id, "ids": gone},
            )

    def merge(own: Project) -> None:
        own.client.command(f"OPTIMIZE TABLE {subject.table} FINAL")

    @contextmanager
    def own_project() -> Iterator[Project]:
        with clickhouse_client(project.addresses) as client:
            yield replace(project, client=client)

    with at_full_speed(busy, own_project, change, come, leave, erase, merge):
        yield busy
