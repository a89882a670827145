"""One look at all exports that need something: observe, decide, apply.

Which exports are looked at: those with a run that is active, or ended badly within the last hour
and waits for its retry or a clean-up; those that are PROCESSING; and a page of those QUEUED.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import assert_never

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import BatchExportRepository, ObjectStore, Spool
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import owner_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder, export_folder
from lf_export_pipeline.file.cleanup import discard_ended_attempts, discard_failed_attempt
from lf_export_pipeline.lifecycle.decision import (
    DEAD_MESSAGE,
    RETRY_MESSAGE,
    Action,
    Decision,
    Limits,
    Run,
    RunState,
    decide,
)
from lf_export_pipeline.lifecycle.launch import (
    PAGE_ROWS,
    PAGES_MAX,
    InFlight,
    attempts_of,
    fair_order,
    in_flight_of,
    requests_for,
)
from lf_export_pipeline.lifecycle.notices import owe_failure
from lf_export_pipeline.lifecycle.observation import limits_of, runs_of, unsettled_runs
from lf_export_pipeline.lifecycle.overlapping_ticks import only_one
from lf_export_pipeline.lifecycle.partitions import is_partition_key
from lf_export_pipeline.lifecycle.retries import ASKED_AGAIN_TAG, CLEANED_TAG
from lf_export_pipeline.lifecycle.run_records import (
    Failure,
    ended_attempts,
    export_id_of,
    in_flight_runs,
    record_failure,
    runs_by_export,
)
from lf_export_pipeline.settings.operating import OperatingSettings

PROCESSING_MAX_ROWS = 100

CLEAN_UPS_WITHIN = 15.0
"""Seconds after which a tick begins no other clean-up; Dagster gives a tick up after 60."""

_cleaning = threading.Lock()
_bucket_answers = threading.Event()
_bucket_answers.set()
"""Whether the last clean-up of this process is done."""

_Due = list[tuple[str, Decision]]

Stores = Callable[[], AbstractContextManager[tuple[Spool, ObjectStore]]]
"""Opens spool and bucket, which few ticks need."""


@dataclass
class Reconciler:
    """One tick.

    Attributes:
        instance: Dagster's records.
        export_rows: Langfuse's table.
        settings: The limits.
        stores: Where ended attempts have left files.
        now: The instant of the tick, UTC.
        done: What was done, a line per action, for the log.
        recovered: Which recovery each requeued export is in, from 1.
    """

    instance: dg.DagsterInstance
    export_rows: BatchExportRepository
    settings: OperatingSettings
    stores: Stores
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    done: list[str] = field(default_factory=list)
    recovered: dict[str, int] = field(default_factory=dict)
    _limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        """The limits of this tick."""
        self._limits = limits_of(self.settings)

    def reconcile(self, recoveries: Mapping[str, int]) -> list[dg.RunRequest]:
        """Does what is to be done now, and returns the runs that begin now.

        As many as there is room for in Dagster; the other exports stay QUEUED in Langfuse. However
        much room there is, only a few runs begin at once: Dagster makes them one by one within the
        tick, and each is a process that needs a core to itself until it has imported everything.

        Args:
            recoveries: Which recovery the exports are in that were requeued before this tick.
        """
        active = in_flight_runs(self.instance)
        to_stop, to_clean_up = self._settle(active)
        requests = self._launch(in_flight_of(active), recoveries)
        for row_id, decision in to_stop:  # late: a launcher may be unable to terminate one
            self._stop(row_id, decision)
        # A bucket that does not answer may cost the tick, and then all that it was to tell Dagster.
        if not self.recovered and (_bucket_answers.is_set() or not requests):
            self._clean_up_all(to_clean_up)
        return requests

    def _settle(self, active: Sequence[dg.RunRecord]) -> tuple[_Due, _Due]:
        """Decides about all exports but the queued ones.

        Returns which runs are to be stopped, and after which ones is to be cleaned up.
        """
        unsettled = unsettled_runs(self.instance, self.now - self.settings.lost_after)
        processing = ExportSearch(statuses=("PROCESSING",), limit=PROCESSING_MAX_ROWS)
        rows = {row.id: row for row in self.export_rows.search(processing)}
        known = [export_id_of(record.dagster_run) for record in (*active, *unsettled)]
        others = {one for one in known if one is not None} - rows.keys()
        found = ExportSearch(ids=tuple(sorted(others)), limit=max(1, len(others)))
        rows |= {row.id: row for row in self.export_rows.search(found)} if others else {}
        records = self._records([*rows, *sorted(others - rows.keys())])
        to_stop: _Due = []
        to_clean_up: _Due = []
        for export_id in records.keys() | rows.keys():
            row = rows.get(export_id)
            decision = self._decide(row, records.get(export_id, ()))
            if decision.action is Action.STOP_RUN:
                to_stop.append((export_id, decision))
            elif decision.action is Action.CLEAN_UP:
                to_clean_up.append((export_id, decision))
            elif decision.action is not Action.LAUNCH:
                self._apply(export_id, decision)
        return to_stop, to_clean_up

    def _launch(self, taken: InFlight, recoveries: Mapping[str, int]) -> list[dg.RunRequest]:
        """The next runs; a page of rows, the oldest of each project, is read at a time."""
        room = self.settings.lf_export_max_runs - taken.runs
        passed_by = set(taken.export_ids)
        for _ in range(PAGES_MAX):
            rows = self.export_rows.list_queued(max(room, 1), PAGE_ROWS, passed_by)
            records = self._records([row.id for row in rows])
            waiting = [row for row in rows if self._is_to_launch(row, records.get(row.id, ()))]
            in_turns = fair_order(waiting, taken.by_project)
            numbers = {**recoveries, **self.recovered}
            requests = requests_for(in_turns, attempts_of(records), numbers)
            if requests or not rows or room <= 0:
                return requests[: max(0, min(room, self.settings.starts_per_tick))]
            passed_by |= {row.id for row in rows}
        return []

    def _records(self, export_ids: Sequence[str]) -> dict[str, list[dg.RunRecord]]:
        """The runs of exports, newest first; an id that can be no partition has none."""
        return runs_by_export(self.instance, list(filter(is_partition_key, export_ids)))

    def _is_to_launch(self, row: ExportRow, records: Sequence[dg.RunRecord]) -> bool:
        decision = self._decide(row, records)
        if decision.action is Action.LAUNCH:
            return True
        self._apply(row.id, decision)
        return False

    def _decide(self, row: ExportRow | None, records: Sequence[dg.RunRecord]) -> Decision:
        runs = runs_of(self.instance, row, records, self.now, self._limits)
        return decide(row, runs, self.now, self._limits)

    def _apply(self, export_id: str, decision: Decision) -> None:
        match decision.action:
            case Action.FAIL:
                self._fail(export_id, decision)
            case Action.CANCEL:
                self._cancel(export_id, decision)
            case Action.REQUEUE:
                self._requeue(export_id, decision)
            case Action.CLEAN_UP:
                self._clean_up(export_id, decision)
            case Action.REPORT_DEAD | Action.ASK_RETRY:
                self._report_failed(export_id, decision)
            case Action.STOP_RUN:
                self._stop(export_id, decision)
            case Action.LEAVE | Action.LAUNCH:
                pass
            case _:
                assert_never(decision.action)

    def _fail(self, export_id: str, decision: Decision) -> None:
        claim, run, user_message = decision.claim, decision.run, decision.user_message
        if run is not None:
            owe_failure(self.instance, run.id)
        if not self.export_rows.fail(export_id, user_message, datetime.now(UTC), claim):
            return
        self.done.append(f"Export {export_id} set FAILED: {user_message}")
        if run is not None:
            record_failure(self.instance, run.id, Failure.OPERATION)

    def _cancel(self, export_id: str, decision: Decision) -> None:
        if self.export_rows.cancel(export_id, decision.claim):
            self.done.append(f"Export {export_id} set CANCELLED: its run was terminated")

    def _clean_up_all(self, due: _Due) -> None:
        """As many as there is time for, unless an earlier tick is still at it."""
        until = time.monotonic() + CLEAN_UPS_WITHIN
        with only_one(_cleaning) as is_only:
            for export_id, decision in due if is_only else ():
                if time.monotonic() < until:
                    self._clean_up(export_id, decision)

    def _clean_up(self, export_id: str, decision: Decision) -> None:
        """Removes what a run that ended badly has left; what cannot be removed is tried again.

        By what row and runs are now: a re-execution that has begun since goes on with the files.
        """
        run, row = _run_of(decision), self.export_rows.get(export_id)
        ended = ended_attempts(self.instance, export_id)
        is_in_work = row is not None and row.status == "PROCESSING" and owner_of(row) == run.root
        if run.root not in ended or is_in_work:
            return
        _bucket_answers.clear()
        with suppress(ExportError), self.stores() as (spool, files):
            if run.state is RunState.CANCELED:
                discard_ended_attempts(spool, export_folder(export_id), ended, files, row)
            else:
                folder = AttemptFolder.of(spool, export_id, run.root)
                discard_failed_attempt(folder, files, row)
            self.instance.add_run_tags(run.id, {CLEANED_TAG: run.id})
            _bucket_answers.set()

    def _requeue(self, export_id: str, decision: Decision) -> None:
        """Queues an export again that nobody works on, unless it was changed meanwhile."""
        seen = decision.claim.unchanged_since if decision.claim else None
        if seen is not None and self.export_rows.requeue_lost(export_id, seen):
            self.recovered[export_id] = decision.recovery
            self.done.append(f"Export {export_id} requeued: no run is working on it")

    def _report_failed(self, export_id: str, decision: Decision) -> None:
        """Dagster's run retries then resume the run, as any whose worker has died."""
        user_message, run_id = DEAD_MESSAGE, _run_of(decision).id
        if decision.action is Action.ASK_RETRY:
            # First the tag: Dagster reads and writes all of a run's tags, and sets its own now.
            self.instance.add_run_tags(run_id, {ASKED_AGAIN_TAG: run_id})
            user_message = RETRY_MESSAGE
        run = self.instance.get_run_by_id(run_id)
        if run is not None:
            self.instance.report_run_failed(run, user_message)
            self.done.append(f"Run {run_id} of export {export_id}: {user_message}")

    def _stop(self, export_id: str, decision: Decision) -> None:
        run = _run_of(decision)
        self.done.append(f"Terminating run {run.id}: export {export_id} was cancelled")
        self.instance.run_coordinator.cancel_run(run.id)


def _run_of(decision: Decision) -> Run:
    assert decision.run is not None  # noqa: S101 - these actions are about a run; see ``decide``
    return decision.run
