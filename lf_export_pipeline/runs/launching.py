"""Which queued exports get a run now.

``requests_for`` and ``fair_order`` decide over plain values; the other functions fetch these from
Dagster and Langfuse.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from lf_export_pipeline.core.ports import ExportRows
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.runs.endings import answer_late
from lf_export_pipeline.runs.history import (
    IN_FLIGHT,
    JOB_NAME,
    export_id_of,
    in_flight_runs,
    number_in,
    runs_by_export,
    unanswered_queueing,
)
from lf_export_pipeline.runs.partitions import (
    ATTEMPT_TAG,
    PARTITION_SET_TAG,
    PARTITION_TAG,
    PROJECT_TAG,
    RECOVERY_TAG,
    is_partition_key,
)
from lf_export_pipeline.runs.tags import project_tag, tags_of
from lf_export_pipeline.settings.operating import OperatingSettings

PAGE_ROWS = 100
PAGES_MAX = 10
BACKFILL_TAG = "dagster/backfill"


@dataclass(frozen=True, slots=True)
class Attempts:
    """The runs that an export has had.

    Attributes:
        last: The number of the last one. Older runs may have been deleted, so it is not only
            counted, but also read from the runs that are left.
        in_flight: Whether one of them has not ended.
        unanswered: Which queueing the newest was asked for, if it failed or was terminated; until
            that is in the row, a row that is still queued since then waits for no other run.
    """

    last: int = 0
    in_flight: bool = False
    unanswered: datetime | None = None


@dataclass(frozen=True, slots=True)
class Occupancy:
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
    attempts: Mapping[str, Attempts],
    recoveries: Mapping[str, int] | None = None,
) -> list[dg.RunRequest]:
    """One request per row that waits for a run, in the order of the rows, with all of its tags.

    The run key holds the number of the attempt: an id alone would keep a re-queued export from
    ever running again, and an attempt that was asked for twice is started once. No run that Dagster
    still has may hold the key, since then it would skip the request at every tick.

    Args:
        rows: Rows that are QUEUED.
        attempts: What Dagster knows of them.
        recoveries: For those that were found lost, which recovery this is, counting from 1.
    """
    known = ((row, attempts.get(row.id, Attempts())) for row in rows)
    return [
        _request(row, history.last + 1, (recoveries or {}).get(row.id))
        for row, history in known
        if _waits(row, history)
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


def attempts_of(runs: Mapping[str, Sequence[dg.RunRecord]]) -> dict[str, Attempts]:
    """What the runs of each export, newest first, say about the next one."""
    return {export_id: _attempts(records) for export_id, records in runs.items()}


def occupancy_of(records: Sequence[dg.RunRecord]) -> Occupancy:
    """What these runs take up."""
    runs = [record.dagster_run for record in records]
    ids = (export_id_of(run) for run in runs)
    places = (run.tags.get(PROJECT_TAG, "") for run in runs if BACKFILL_TAG not in run.tags)
    return Occupancy(frozenset(one for one in ids if one is not None), Counter(places))


def next_requests(
    instance: dg.DagsterInstance,
    export_rows: ExportRows,
    settings: OperatingSettings,
    recoveries: Mapping[str, int],
) -> list[dg.RunRequest]:
    """As many requests as there is room for in Dagster; the other exports stay queued in Langfuse.

    However many rows wait, only a page of them is read: the oldest of each project. And however
    much room there is, only a few runs begin at once: Dagster makes them one by one within the
    tick, and each is a process that needs a core to itself until it has imported everything.

    Rows on these pages whose run has ended unheard are set on the way.
    """
    taken = occupancy_of(in_flight_runs(instance))
    room = settings.lf_export_max_runs - taken.runs
    passed_by = set(taken.export_ids)
    for _ in range(PAGES_MAX if room > 0 else 0):
        rows = export_rows.waiting(room, PAGE_ROWS, passed_by)
        runs = runs_by_export(instance, [row.id for row in rows])
        answer_late(rows, runs, export_rows, settings.lost_after)
        in_turns = fair_order(rows, taken.by_project)
        requests = requests_for(in_turns, attempts_of(runs), recoveries)
        if requests or not rows:
            return requests[: min(room, settings.starts_per_tick)]
        passed_by |= {row.id for row in rows}
    return []


def _waits(row: ExportRow, history: Attempts) -> bool:
    if history.in_flight or not is_partition_key(row.id):
        return False
    return row.updated_at != history.unanswered


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


def _attempts(newest_first: Sequence[dg.RunRecord]) -> Attempts:
    return Attempts(
        last=max(
            len(newest_first),
            *(number_in(record.dagster_run, ATTEMPT_TAG) for record in newest_first),
        ),
        in_flight=any(record.dagster_run.status in IN_FLIGHT for record in newest_first),
        unanswered=unanswered_queueing(newest_first),
    )
