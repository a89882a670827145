"""Makes exports through the wire, repairs what faults have left, and tells what came of it."""

import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import boto3
import dagster as dg

from lf_export_pipeline.attempt_folder import export_folder
from lf_export_pipeline.cli_request import requested_row
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.local import process, state
from lf_export_pipeline.local.rows import postgres_transaction
from lf_export_pipeline.local.sample import SampleSize, generate_sample
from lf_export_pipeline.local.services.seaweedfs import BUCKET, REGION
from lf_export_pipeline.local.stack import LocalStack
from lf_export_pipeline.partitions import PARTITION_TAG
from lf_export_pipeline.resources.database import LangfusePostgres
from lf_export_pipeline.runs import IN_FLIGHT
from lf_export_pipeline.sensors import runs_that_failed
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.wiring import open_ports
from lf_export_pipeline_tests.faults.export_process import (
    Circumstances,
    instance_of,
    start,
    the_job,
)
from lf_export_pipeline_tests.faults.outcome import Outcome, downloaded, text_of
from lf_export_pipeline_tests.faults.wire import Scenario, Wire, Word, tapped
from lf_export_pipeline_tests.integration.resources.proxy import Drop, Meanwhile, Spoiling

PROJECT, NEIGHBOUR = "project-faults", "project-next-door"
SIZE = SampleSize(traces=2_500, observations_per_trace=0, text_bytes=3_000, comments=20)
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
USER = "user-ada"
REPAIRS_MAX = 6
RUN_MAX_SECONDS = 180
FULL_DISK_BYTES = 1 << 16
QUICK = {
    "LF_EXPORT_CHUNK_TARGET_MIB": "3",
    "BATCH_EXPORT_S3_PART_SIZE_MIB": "5",
    "LF_EXPORT_CLICKHOUSE_THREADS": "1",
}


@dataclass
class Bench:
    """A project, the servers that hold it, and the wire through which it is exported."""

    stack: LocalStack
    wire: Wire
    environment: dict[str, str]
    folder: Path
    expected: str = ""
    words_by_op: dict[str, list[int]] = field(default_factory=dict)
    returning: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.settings = Settings.load({**self.stack.environment(), **QUICK})
        self.database = LangfusePostgres(self.settings)
        self.rows = self.database.exports
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=self.stack.addresses().s3_endpoint,
            region_name=REGION,
            aws_access_key_id=self.settings.langfuse_s3_batch_export_access_key_id,
            aws_secret_access_key=self.stack.addresses().credentials.s3_secret_access_key,
        )

    def new_export(self, **changes: Any) -> "Trial":
        """An export that waits, of the project's traces."""
        row = requested_row(project=PROJECT, table="traces", file_format="JSONL", user=USER)
        row = replace(row, name=f"faults {row.id}", **changes)
        self.rows.add(row)
        folder = self.folder / row.id
        folder.mkdir()
        found = Circumstances(environment=self.environment, folder=folder)
        return Trial(self, row.id, found, self.keys() | set(self.uploads()))

    def restart(self, server: str) -> None:
        """Kill a server as a power cut does, and start it again."""
        process.stop(self._process_of(server), request=signal.SIGKILL)
        self.stack.up()

    @contextmanager
    def full_disk(self, server: str) -> Iterator[None]:
        """While it lasts, the server's files cannot grow, as on a disk that is full."""
        pid = self._process_of(server).pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_DISK_BYTES, hard))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _process_of(self, server: str) -> process.ProcessRecord:
        name = {"S3": "seaweedfs"}.get(server, server.lower())
        known = state.load(self.stack.state_dir)
        assert known
        return known.processes[name]

    def keys(self) -> set[str]:
        """The objects in the bucket."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def uploads(self) -> tuple[str, ...]:
        """The keys of all uploads that have not ended."""
        answer = self._s3.list_multipart_uploads(Bucket=BUCKET)
        return tuple(upload["Key"] for upload in answer.get("Uploads", []))

    def change_row(self, export_id: str, sql: str) -> None:
        """Change a row as Langfuse's web app does: a statement with the id as its parameter."""
        with postgres_transaction(self.stack.addresses()) as connection:
            connection.cursor().execute(sql, (export_id,))

    def mails_about(self, export_id: str) -> int:
        """How many e-mails name the export."""
        return sum(export_id in text_of(path) for path in self.inbox())

    def inbox(self) -> list[Path]:
        """All e-mails."""
        return sorted(self.stack.addresses().inbox.glob("*.eml"))

    def rehearse(self) -> None:
        """Export once undisturbed: what the file must be, and which words belong to which op."""
        trial = self.new_export()
        trial.run()
        began = trial.began()
        for number, (_, instant) in enumerate(self.wire.heard, start=1):
            op = [step for step, start in began if start <= instant]
            self.words_by_op.setdefault(op[-1] if op else "before", []).append(number)
        outcome = trial.outcome()
        assert outcome.status == "COMPLETED", outcome
        assert (outcome.repairs, outcome.mails, len(outcome.objects)) == ((), 1, 1)
        self.expected = outcome.sha256 or ""


@dataclass
class Trial:
    """One export with what happens to it."""

    bench: Bench
    export_id: str
    circumstances: Circumstances
    keys_before: set[str]
    repairs: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def run(self, scenario: Scenario | None = None, **circumstances: Any) -> int:
        """The exit code of a run during which the scenario is played; -9 if it was killed."""
        self.bench.wire.play(scenario)
        child = start(self.export_id, replace(self.circumstances, **circumstances))
        return self.end_of(child)

    def end_of(self, child: Any) -> int:
        """The exit code of a run, which is waited for."""
        child.join(RUN_MAX_SECONDS)
        assert child.exitcode is not None, f"the run of {self.export_id} does not end"
        code: int = child.exitcode
        child.close()
        return code

    def run_to_be_killed(self, deadly: int, *, after: bool) -> int:
        """The same for a run whose process is killed at a word, heard by the server or not."""
        children: list[ForkServerProcess] = []

        def kill() -> None:
            for child in children:
                child.kill()

        def scenario(word: Word) -> Spoiling:
            if word.number < deadly:
                return None
            if after:
                return Meanwhile(kill)
            kill()
            return Drop()

        self.bench.wire.play(scenario)
        children.append(start(self.export_id, self.circumstances))
        return self.end_of(children[0])

    def repaired(self) -> Outcome:
        """The outcome once Dagster and an operator have done what they do after a fault."""
        self.bench.wire.play()
        if self.bench.returning:
            self.bench.returning.join()
            self.bench.returning = None
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
        return Outcome(
            row=row,
            sha256=downloaded(row.url) if row and row.url else None,
            mails=self.bench.mails_about(self.export_id),
            objects=tuple(self.bench.keys() - self.keys_before),
            uploads=tuple(set(self.bench.uploads()) - self.keys_before),
            spooled=self._spooled(),
            steps=tuple(self.steps),
            repairs=tuple(self.repairs),
        )

    def _repair_once(self) -> bool:
        row = self.bench.rows.get(self.export_id)
        with instance_of(self.circumstances.folder) as instance:
            last = self._runs(instance)[-1] if self._runs(instance) else None
            if last is None or last.status is dg.DagsterRunStatus.SUCCESS:
                return self._repair_finished(row)
            steps = _steps(instance, last.run_id)
            self.steps.append(steps[-1][0] if steps else "before the first op")
            was_killed = last.status in IN_FLIGHT
            if was_killed:  # as run monitoring does it, and run retries after it
                last = instance.report_run_failed(last) and instance.get_run_by_id(last.run_id)
            assert last
            if not was_killed:
                self._tell_the_sensor(instance, last)
        if was_killed or (row and row.status == "COMPLETED"):
            self.repairs.append("resumed")
            self.run(resumed=last.run_id)
            return True
        return self._queue_again()

    def _repair_finished(self, row: ExportRow | None) -> bool:
        """An export that waits still, as that of a run that has found nothing to do."""
        return self._queue_again() if row and row.status in ("FAILED", "QUEUED") else False

    def _queue_again(self) -> bool:
        row = self.bench.rows.get(self.export_id)
        if row is None or row.status == "CANCELLED":
            return False
        assert row.status in ("FAILED", "QUEUED"), row.status
        self.repairs.append("queued again")
        self.bench.rows.requeue(self.export_id)
        self.run()
        return True

    def _tell_the_sensor(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        """Dagster evaluates this sensor for every run that has failed."""
        failure = instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1
        ).records[0]
        event = failure.event_log_entry.dagster_event
        assert event
        with open_ports(self.bench.settings) as ports:
            context = dg.build_run_status_sensor_context(
                sensor_name="runs_that_failed",
                dagster_event=event,
                dagster_instance=instance,
                dagster_run=run,
                resources={name: ports[name] for name in ("export_rows", "spool", "files")},
            )
            runs_that_failed(the_job())(context.for_run_failure())

    def _runs(self, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
        """Oldest first."""
        wanted = dg.RunsFilter(tags={PARTITION_TAG: self.export_id})
        return list(reversed(list(instance.get_runs(wanted))))

    def _spooled(self) -> tuple[str, ...]:
        folder = self.bench.settings.spool_directory / export_folder(self.export_id)
        return tuple(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@contextmanager
def open_bench(folder: Path) -> Iterator[Bench]:
    """A bench on servers of its own, with a project of 15 MB and another one beside it."""
    stack = LocalStack(folder / "stack")
    wire = Wire()
    try:
        addresses = stack.up()
        for seed, project in enumerate((PROJECT, NEIGHBOUR)):
            generate_sample(addresses, project, SIZE, until=UNTIL, seed=seed)
        with tapped(addresses, wire) as environment:
            bench = Bench(stack, wire, {**environment, **QUICK}, folder)
            try:
                yield bench
            finally:
                bench.database.close()
    finally:
        stack.destroy()
        shutil.rmtree(folder / "stack", ignore_errors=True)


def _steps(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, float]]:
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_START)
    return [
        ((record.event_log_entry.step_key or "").partition("[")[0], record.timestamp)
        for record in found.records
    ]
