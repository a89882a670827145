"""Which queued exports get a run now.

Projects take turns, and a request carries all the tags that a run of its export has.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.partitions import (
    ATTEMPT_TAG,
    PARTITION_SET_TAG,
    PARTITION_TAG,
    PROJECT_TAG,
    RECOVERY_TAG,
)
from lf_export_pipeline.lifecycle.run_records import JOB_NAME, export_id_of, number_in
from lf_export_pipeline.lifecycle.tags import project_tag, tags_of

PAGE_ROWS = 100
PAGES_MAX = 10
BACKFILL_TAG = "dagster/backfill"


@dataclass(frozen=True, slots=True)
class InFlight:
    """What Dagster has in hand.

    Attributes:
        export_ids: The exports with a run that has not ended.
        by_project: Runs per project; backfills are not counted, they have a limit of their own.
    """

    export_ids: frozenset[str] = frozenset()
    by_project: Mapping[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """How many of the sensor's places are taken."""
        return sum(self.by_project.values())


def requests_for(
    rows: Sequence[ExportRow],
    attempts: Mapping[str, int],
    recoveries: Mapping[str, int] | None = None,
) -> list[dg.RunRequest]:
    """One request per row that waits for a run, in the order of the rows, with all of its tags.

    The run key holds the number of the attempt: an id alone would keep a re-queued export from
    ever running again, and an attempt that was asked for twice is started once. No run that Dagster
    still has may hold the key, since then it would skip the request at every tick.

    Args:
        rows: Rows that are to be launched.
        attempts: The number of the last attempt of those that had one.
        recoveries: For those that were found lost, which recovery this is, counting from 1.
    """
    return [
        _request(row, attempts.get(row.id, 0) + 1, (recoveries or {}).get(row.id)) for row in rows
    ]


def fair_order(rows: Sequence[ExportRow], running: Mapping[str, int]) -> list[ExportRow]:
    """The rows in the order in which they are to start: the projects take turns.

    A project that has two runs already gets its next one after every project with fewer has been
    served. Within a turn the row that waits longest is first.
    """
    turns = Counter(running)
    ranked: list[tuple[int, datetime, str, ExportRow]] = []
    for row in sorted(rows, key=lambda row: (row.created_at, row.id)):
        ranked.append((turns[project_tag(row)], row.created_at, row.id, row))
        turns[project_tag(row)] += 1
    return [row for *_, row in sorted(ranked, key=lambda turn: turn[:3])]


def attempts_of(runs: Mapping[str, Sequence[dg.RunRecord]]) -> dict[str, int]:
    """The number of the last attempt of each export, given its runs.

    Older runs may have been deleted, so it is not only counted, but also read from those left.
    """
    return {
        export_id: max(
            len(records), *(number_in(record.dagster_run, ATTEMPT_TAG) for record in records)
        )
        for export_id, records in runs.items()
    }


def in_flight_of(records: Sequence[dg.RunRecord]) -> InFlight:
    """What these runs take up."""
    runs = [record.dagster_run for record in records]
    ids = (export_id_of(run) for run in runs)
    places = (run.tags.get(PROJECT_TAG, "") for run in runs if BACKFILL_TAG not in run.tags)
    return InFlight(frozenset(one for one in ids if one is not None), Counter(places))


def _request(row: ExportRow, attempt: int, recovery: int | None) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{row.id}:{attempt}",
        partition_key=row.id,
        tags={
            # As Dagster tags the runs of a partition. It would open its database and read the row.
            PARTITION_TAG: row.id,
            PARTITION_SET_TAG: f"{JOB_NAME}_partition_set",
            **tags_of(row),
            ATTEMPT_TAG: str(attempt),
            **({RECOVERY_TAG: str(recovery)} if recovery else {}),
        },
    )
