"""Writers into a table of ClickHouse, and those who merge it."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.integration.core.concurrent_subjects import RUN_ITEMS, Subject
from lf_export_pipeline_tests.integration.core.concurrent_writers import (
    AT_ONCE,
    CHANGES_BEFORE,
    CHANGING,
    MONTH,
    SIZES,
    Busy,
    at_full_speed,
    ids_of,
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
        with busy.newcomers() as new:
            own.add(subject.table, *(subject.row(row_id) for row_id in new))

    def leave(own: Project) -> None:
        with busy.leavers() as gone:
            version = next(versions)
            rows = [subject.row(row_id, version, is_deleted=True) for row_id in gone]
            own.add(subject.table, *rows)

    def erase(own: Project) -> None:
        with busy.leavers() as gone:
            erase_rows(own, subject.table, subject.key, gone)

    def merge(own: Project) -> None:
        merge_rows(own, subject.table)

    for _ in range(CHANGES_BEFORE):
        change(project)
    with at_work(project, busy, change, come, leave, erase, merge):
        yield busy


@contextmanager
def at_work(project: Project, busy: Busy, *deeds: Callable[[Project], None]) -> Iterator[None]:
    """Each deed at full speed, on a connection of its own."""

    @contextmanager
    def own_project() -> Iterator[Project]:
        with clickhouse_client(project.addresses) as client:
            yield replace(project, client=client)

    with at_full_speed(busy, own_project, *deeds):
        yield


def merge_rows(project: Project, table: str) -> None:
    """Merge all parts that have rows of writers."""
    partition = "tuple()" if table == RUN_ITEMS else MONTH
    project.client.command(f"OPTIMIZE TABLE {table} PARTITION {partition} FINAL")


def erase_rows(project: Project, table: str, key: str, values: Sequence[str]) -> None:
    """All versions of the rows that have one of the values in a column."""
    project.client.command(
        f"DELETE FROM {table} WHERE project_id = {{project:String}} "
        f"AND {key} IN {{values:Array(String)}}",
        parameters={"project": project.id, "values": list(values)},
    )


def versions_merged_away(
    project: Project, table: str, key: str, busy: Busy, ending: str = CHANGING
) -> int:
    """How many of the versions that were written of rows that change are not there any more."""
    counted = project.client.query(
        f"SELECT count() FROM {table} WHERE project_id = {{project:String}} "
        f"AND endsWith({key}, {{ending:String}})",
        parameters={"project": project.id, "ending": ending},
    )
    written = SIZES[CHANGING] + AT_ONCE * (CHANGES_BEFORE + busy.deeds["change"])
    return written - int(counted.result_rows[0][0])
