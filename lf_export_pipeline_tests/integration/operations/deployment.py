"""What a test does with a deployment, and what it waits for."""

import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import TypeVar

import dagster as dg
import psutil

from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes.process import ProcessRecord
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.spool import DirectorySpool
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.run_records import runs_by_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.operations.gate import Gate

PROJECTS = ("operations-heavy", "operations-light")
DEADLINE_SECONDS = 300
POLL_SECONDS = 0.3
LOG_SHOWN_CHARACTERS = 4_000
PID = re.compile(r"\(pid: (\d+)\)")

Value = TypeVar("Value")


def eventually(
    probe: Callable[[], Value | None], state: Callable[[], str] = lambda: "nothing is known"
) -> Value:
    """The first answer that is neither None nor False; ``state`` says why there is none."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := probe()):
        assert time.monotonic() < deadline, f"it takes too long: {state()}"
        time.sleep(POLL_SECONDS)
    return found


@dataclass(frozen=True, slots=True)
class Deployment:
    """Langfuse's rows, the stores behind them, and Dagster's instance."""

    environment: Mapping[str, str]
    home: Path
    settings: Settings
    database: LangfusePostgres
    instance: dg.DagsterInstance
    spool: DirectorySpool
    files: S3ObjectStore
    inbox: Path
    gate: Gate

    @contextmanager
    def daemon(self, **environment: str) -> Iterator[ProcessRecord]:
        """The daemon, with changes to its environment."""
        everything = {**self.environment, **environment}
        arguments = dagster.daemon_arguments()
        with dagster.running("daemon", arguments, everything, self.home) as record:
            yield record

    def queue(self, project: str = PROJECTS[0], *, hold_after: int | None = None) -> str:
        """A queued export of all traces; its chunks can be held after some have passed."""
        row = requested_row(
            project=project,
            table="traces",
            file_format="JSONL",
            user="user-ada",
            name=f"traces-{secrets.token_hex(6)}",
        )
        if hold_after is not None:
            self.gate.hold(row.id, "serialize_chunk", hold_after)
        self.database.exports.add(row)
        return row.id

    def row(self, export_id: str) -> ExportRow:
        """The row as it is now."""
        row = self.database.exports.get(export_id)
        assert row is not None
        return row

    def ended(self, export_id: str) -> ExportRow:
        """The row once it is neither queued nor in work."""

        def ended_row() -> ExportRow | None:
            row = self.row(export_id)
            return row if row.status not in {"QUEUED", "PROCESSING"} else None

        return eventually(ended_row, lambda: self.state_of(export_id))

    def runs(self, export_id: str) -> list[dg.DagsterRun]:
        """The runs of an export, the newest first."""
        records = runs_by_export(self.instance, [export_id]).get(export_id, [])
        return [record.dagster_run for record in records]

    def run_in(self, export_id: str, *statuses: dg.DagsterRunStatus) -> dg.DagsterRun:
        """The newest run once it is in one of these states."""
        return eventually(
            lambda: next((run for run in self.runs(export_id)[:1] if run.status in statuses), None),
            lambda: self.state_of(export_id),
        )

    def state_of(self, export_id: str) -> str:
        """Row, runs and the daemon's last words, for a person who wonders what it waits for."""
        runs = (f"{run.run_id} {run.status.value} {run.tags}" for run in self.runs(export_id))
        log = (self.home / "daemon.log").read_text("utf-8", "replace")[-LOG_SHOWN_CHARACTERS:]
        return "\n".join((str(self.row(export_id)), *runs, log))

    def held(self, export_id: str, queries: int) -> dg.DagsterRun:
        """The run that waits at the door with its so many-th chunk."""
        eventually(lambda: self.gate.count(export_id, "serialize_chunk") >= queries)
        return self.runs(export_id)[0]

    def chunks(self, run: dg.DagsterRun) -> tuple[int, int]:
        """How many chunks a run has written, and how many it has planned."""
        progress = progress_of(self.instance, run.run_id)
        assert progress.chunks is not None
        return progress.done_chunks, progress.chunks

    def worker_of(self, run: dg.DagsterRun) -> psutil.Process:
        """The process that executes a run."""
        events = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        found = (PID.search(event.message) for event in events)
        (pid,) = {int(match.group(1)) for match in found if match}
        return psutil.Process(pid)

    def mails(self, export_id: str) -> int:
        """How many messages tell of this export."""
        name = self.row(export_id).name
        messages = (
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in self.inbox.glob("*.eml")
        )
        bodies = (message.get_body(("plain",)) for message in messages)
        return sum(body is not None and name in body.get_content() for body in bodies)

    def object_keys(self) -> set[str]:
        """What is in the bucket."""
        pages = self.files._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.files.bucket
        )
        return {found["Key"] for page in pages for found in page.get("Contents", [])}


def kill(process: psutil.Process) -> None:
    """End a process as the kernel does when memory is short."""
    process.send_signal(signal.SIGKILL)


def kill_tree(record: ProcessRecord) -> None:
    """End a process and all that it has started, as a power cut does."""
    root = psutil.Process(record.pid)
    processes = [root, *root.children(recursive=True)]
    for process in processes:
        kill(process)
    psutil.wait_procs(processes, timeout=30)
