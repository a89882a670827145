"""One export on the bench: it is made, something happens to it, and it is repaired."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lf_export_pipeline.adapters.spool import open_spool
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.notifications import send_owed
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.defs.sensors import stores_of
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline.lifecycle.run_records import IN_FLIGHT
from lf_export_pipeline.notify.outbox import MARKS, Outbox, open_channels
from lf_export_pipeline_tests.faults.baseline import ExportSpec
from lf_export_pipeline_tests.faults.export_process import (
    Circumstances,
    instance_of,
    start,
)
from lf_export_pipeline_tests.faults.fault_proxy import Scenario, Word
from lf_export_pipeline_tests.faults.outcome import Outcome, downloaded
from lf_export_pipeline_tests.faults.scenarios import Once, When
from lf_export_pipeline_tests.integration.adapters.proxy import Drop, Meanwhile, Spoiling
from lf_export_pipeline_tests.ticks import tick

if TYPE_CHECKING:
    from lf_export_pipeline_tests.faults.bench import Bench

BEFORE = "before the first op"
REPAIRS_MAX = 6
RUN_MAX_SECONDS = 180


@dataclass
class FaultRun:
    """One export with what happens to it."""

    bench: "Bench"
    export_id: str
    spec: ExportSpec
    circumstances: Circumstances
    keys_before: set[str]
    struck_in: str | None = None
    may_repeat: bool = False
    repairs: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    children: list[ForkServerProcess] = field(default_factory=list)

    def run(self, scenario: Scenario | None = None, **circumstances: Any) -> int:
        """The exit code of a run during which the scenario is played; -9 if it was killed.

        The op that is at work at the first word that is spoiled is noted.
        """
        self.bench.fault_proxy.play(scenario and self._noting(scenario))
        return self.end_of(self.begin(**circumstances))

    def begin(self, **circumstances: Any) -> ForkServerProcess:
        """A run that goes on by itself."""
        child = start(self.export_id, replace(self.circumstances, **circumstances))
        self.children.append(child)
        return child

    def end_of(self, child: Any) -> int:
        """The exit code of a run, which is waited for."""
        child.join(RUN_MAX_SECONDS)
        assert child.exitcode is not None, f"the run of {self.export_id} does not end"
        code: int = child.exitcode
        self.children.remove(child)
        child.close()
        self.bench.fault_proxy.raise_failure()
        return code

    def _noting(self, scenario: Scenario) -> Scenario:
        def noting(word: Word) -> Spoiling:
            spoiling = scenario(word)
            if spoiling is not None and self.struck_in is None:
                self.struck_in = self.op_at_work()
            return spoiling

        return noting

    def op_at_work(self, run: int = -1) -> str:
        """The op that has begun last, in the last run or in another one."""
        with instance_of(self.circumstances.folder) as instance:
            runs = self._runs(instance)
            steps = _steps(instance, runs[run].run_id) if runs else []
        return steps[-1][0] if steps else BEFORE

    def run_to_be_killed(self, when: When, *, after: bool) -> int:
        """The same for a run whose process is killed at a word, heard by the server or not."""

        def die(_word: Word) -> Spoiling:
            if after:
                return Meanwhile(self.kill)
            self.kill()
            return Drop()

        return self.run(Once(when, die))

    def kill(self) -> None:
        """Kill the run that is at work."""
        for child in self.children:
            child.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the run that is at work."""
        for child in self.children:
            if child.pid:
                os.kill(child.pid, number)

    def said(self) -> str:
        """The output of all runs so far."""
        return (self.circumstances.folder / "output.log").read_text("utf-8", "replace")

    def spooled(self) -> int:
        """How many files the export has in the spool."""
        return len(self._spooled())

    def is_told_without_mark(self) -> bool:
        """Whether the mail server has the message and the spool does not say so."""
        is_marked = any(path.endswith(f"/{MARKS[EMAIL_TAG]}.json") for path in self._spooled())
        return bool(self.bench.mails_about(self.export_id)) and not is_marked

    def overlapped(self) -> bool:
        """Whether all runs had begun before the first of them ended, as Dagster tells."""
        records = self._records()
        began, ended = zip(*((one.start_time, one.end_time) for one in records), strict=True)
        return len(records) > 1 and max(began) < min(ended)

    def begun(self) -> int:
        """How many runs have begun so far, as Dagster tells."""
        return sum(record.start_time is not None for record in self._records())

    def repaired(self) -> Outcome:
        """The outcome once Dagster and an operator have done what they do after a fault."""
        self.bench.fault_proxy.play()
        self.bench.bring_back()
        while self._repair_once():
            assert len(self.repairs) < REPAIRS_MAX, self.repairs
        return self.outcome()

    def began(self) -> list[tuple[str, float]]:
        """The ops of all runs with the instants at which they began."""
        with instance_of(self.circumstances.folder) as instance:
            return [step for run in self._runs(instance) for step in _steps(instance, run.run_id)]

    def outcome(self) -> Outcome:
        """What is there now."""
        row = self.bench.rows.get(self.export_id)
        known = self.bench.baselines.get(self.spec)
        file = downloaded(row.url) if row and row.url else None
        return Outcome(
            row=row,
            file=file,
            is_right=bool(file and known and file.sha256 == known.sha256),
            manifest=self._manifest(),
            recipients=tuple(mail.recipient for mail in self.bench.mails_about(self.export_id)),
            objects=tuple(self.bench.keys() - self.keys_before),
            uploads=tuple(set(self.bench.uploads()) - self.keys_before),
            spooled=self._spooled(),
            steps=tuple(self.steps),
            repairs=tuple(self.repairs),
            struck_in=self.struck_in,
            may_repeat=self.may_repeat,
        )

    def instants(self) -> list[float]:
        """When Dagster's events of all runs happened, by the clocks of their processes."""
        with instance_of(self.circumstances.folder) as instance:
            runs = self._runs(instance)
            return [entry.timestamp for run in runs for entry in instance.all_logs(run.run_id)]

    def _manifest(self) -> dict[str, Any]:
        """Of the run that has published the file; empty as long as none has."""
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        with instance_of(self.circumstances.folder) as instance:
            for run in self._runs(instance):
                for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
                    made = record.asset_materialization
                    if made and "manifest" in made.metadata:
                        found: dict[str, Any] = made.metadata["manifest"].value  # type: ignore[assignment]
                        return found
        return {}

    def _repair_once(self) -> bool:
        row = self.bench.rows.get(self.export_id)
        with instance_of(self.circumstances.folder) as instance:
            last = self._runs(instance)[-1] if self._runs(instance) else None
            if last is None or last.status is dg.DagsterRunStatus.SUCCESS:
                return self._repair_finished(row, instance)
            steps = _steps(instance, last.run_id)
            self.steps.append(steps[-1][0] if steps else BEFORE)
            was_killed = last.status in IN_FLIGHT
            if was_killed:  # as run monitoring does it, and run retries after it
                last = instance.report_run_failed(last) and instance.get_run_by_id(last.run_id)
            assert last
            if not was_killed:
                self._tick(instance)
        if was_killed or (row and row.status == "COMPLETED"):
            self.repairs.append("resumed")
            self.run(resumed=last.run_id)
            return True
        return self._queue_again()

    def _repair_finished(self, row: ExportRow | None, instance: dg.DagsterInstance) -> bool:
        """An export that waits still, as that of a run that has found nothing to do, or an e-mail.

        The daemon evaluates the sensor of notifications every few seconds.
        """
        if row and row.status in ("FAILED", "QUEUED"):
            return self._queue_again()
        with open_resources(self.bench.settings) as ports:
            rows: Any = ports["export_rows"]
            mailer: Any = ports["mailer"]
            channels = open_channels(mailer, rows, self.bench.settings)
            if not Outbox(instance, rows, channels).owing(1):
                return False
            send_owed(instance, rows, channels, open_spool(self.bench.settings))
        self.repairs.append("e-mail sent later")
        return True

    def _queue_again(self) -> bool:
        row = self.bench.rows.get(self.export_id)
        if row is None or row.status == "CANCELLED":
            return False
        assert row.status in ("FAILED", "QUEUED"), row.status
        self.repairs.append("queued again")
        self.bench.rows.requeue(self.export_id)
        self.run()
        return True

    def _tick(self, instance: dg.DagsterInstance) -> None:
        """The daemon evaluates the sensor every few seconds."""
        settings = self.bench.settings
        tick(instance, self.bench.rows, settings, stores=lambda: stores_of(settings))

    def _records(self) -> Sequence[dg.RunRecord]:
        with instance_of(self.circumstances.folder) as instance:
            return instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: self.export_id}))

    def _runs(self, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
        """Oldest first."""
        wanted = dg.RunsFilter(tags={PARTITION_TAG: self.export_id})
        return list(reversed(list(instance.get_runs(wanted))))

    def _spooled(self) -> tuple[str, ...]:
        paths = (path for path in self._folder.rglob("*") if path.is_file())
        return tuple(str(path.relative_to(self._folder)) for path in paths)

    @property
    def _folder(self) -> Path:
        return self.bench.settings.spool_directory / export_folder(self.export_id)


def _steps(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, float]]:
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_START)
    return [
        ((record.event_log_entry.step_key or "").partition("[")[0], record.timestamp)
        for record in found.records
    ]
