"""The chunks of one export side by side: ``python -m bench.executors`` for two workers.

The same export by each executor, run as Dagster's daemon runs it: a process that is started for it,
with its events in Dagster's Postgres. Celery is left out unless a broker is named.

    python -m bench.executors [--broker redis://127.0.0.1:6379/0]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import psutil

from bench.bucket import bucket_elsewhere
from bench.measuring import cpu_seconds
from bench.world import World, ensure_project, environment_with_bucket, with_bucket, world
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes.readiness import wait_until_ready
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, PARTITIONS_NAME

WORKERS: Final = ("one", "two")
_READY: Final = " ready."
_READY_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Executor:
    """One way of running the steps.

    Attributes:
        here: The stack, with the bucket that takes the file.
        environment: Of every process.
        home: DAGSTER_HOME.
    """

    here: World
    environment: dict[str, str]
    home: Path

    def export(self, project: str) -> dict[str, float]:
        """What one export of all traces took."""
        row = self.here.queue(project, "traces", "CSV")
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            instance.add_dynamic_partitions(PARTITIONS_NAME, [row.id])
            server = psutil.Process(self.here.server_pid)
            machine, clickhouse, begin = (
                cpu_seconds(psutil),
                cpu_seconds(server),
                time.perf_counter(),
            )
            self._execute(row.id)
            seconds = time.perf_counter() - begin
            machine, clickhouse = cpu_seconds(psutil) - machine, cpu_seconds(server) - clickhouse
            (run,) = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: row.id}))
            stats: Any = instance.get_run_stats(run.run_id)
        ended = self.here.ports["export_rows"].get(row.id)
        if ended.status != "COMPLETED":
            message = f"The export ended as {ended.status}: {ended.log}"
            raise RuntimeError(message)
        return {
            "seconds": seconds,
            "seconds_of_the_run": stats.end_time - stats.start_time,
            "clickhouse_cpu_seconds": clickhouse,
            "cpu_seconds_of_all_else": machine - clickhouse,
        }

    def _execute(self, export_id: str) -> None:
        arguments = ["-m", "lf_export_pipeline.definitions", "-j", "batch_export"]
        tags = json.dumps({PARTITION_TAG: export_id})
        program = str(Path(sys.executable).with_name("dagster"))
        command = [program, "job", "execute", *arguments, "--tags", tags]
        with (self.home / "run.log").open("ab") as log:
            subprocess.run(
                command, env=self.environment, cwd=self.home, stdout=log, stderr=log, check=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="What an export takes with two workers.")
    parser.add_argument("--folder", type=Path, default=Path(".lf-export/bench"))
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--text-bytes", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step-mib", type=int, default=128, help="what one step writes")
    parser.add_argument("--broker", default="", help="of Celery; none: Celery is left out")
    asked = parser.parse_args()
    project = f"bench-{asked.rows}-{asked.text_bytes}"
    with (
        world(asked.folder) as stack,
        bucket_elsewhere() as bucket,
        with_bucket(stack, bucket.endpoint) as here,
        ExitStack() as running,
    ):
        ensure_project(stack, project, asked.rows, observations=True, text_bytes=asked.text_bytes)
        ways = {
            name: running.enter_context(executor(here, bucket.endpoint, **variables))
            for name, variables in _variables(asked).items()
        }
        samples = [
            {name: way.export(project) for name, way in ways.items()}
            for _ in range(asked.rounds + 1)  # the first makes caches warm
        ][1:]
    print(json.dumps({name: _medians(samples, name) for name in ways}, indent=1))


def _variables(asked: argparse.Namespace) -> dict[str, dict[str, str]]:
    step = {"LF_EXPORT_STEP_TARGET_MIB": str(asked.step_mib)}
    ways = {
        "in_process": {},
        "in_process, parts in the spool": {"LF_EXPORT_PARTS": "spool"},
        "multiprocess": {"LF_EXPORT_EXECUTOR": "multiprocess", **step},
    }
    if asked.broker:
        celery = {"LF_EXPORT_EXECUTOR": "celery", "LF_EXPORT_CELERY_BROKER": asked.broker}
        ways["celery"] = {**celery, **step}
    return ways


@contextmanager
def executor(here: World, endpoint: str, **variables: str) -> Iterator[Executor]:
    """An executor with what it needs beside a run; for Celery two workers of one process each."""
    home = dagster.prepare_home(here.folder)
    spool = str((here.folder / "executors-spool").resolve())
    stack = {**environment_with_bucket(here.stack, endpoint), "LF_EXPORT_SPOOL": spool}
    environment = dagster.environment_for(stack, home, **variables)
    os.environ.update({"DAGSTER_HOME": str(home), **_of_dagster(environment)})
    made = Executor(here, environment, home)
    with ExitStack() as workers:
        if variables.get("LF_EXPORT_EXECUTOR") == "celery":
            for name in WORKERS:
                workers.enter_context(_celery_worker(name, made))
        yield made


def _of_dagster(environment: Mapping[str, str]) -> dict[str, str]:
    """What ``dagster.yaml`` names, for this process, which asks Dagster how long a run took."""
    return {name: value for name, value in environment.items() if name.startswith("DAGSTER_")}


@contextmanager
def _celery_worker(name: str, made: Executor) -> Iterator[None]:
    arguments = ["celery", "-A", "lf_export_pipeline.celery_app", "worker"]
    arguments += ["-Q", "dagster", "-c", "1", "-n", f"{name}@localhost", "-l", "INFO"]
    log = made.home / f"{name}.log"
    log.unlink(missing_ok=True)

    def probe() -> None:
        if _READY not in log.read_text():
            raise LookupError(_READY)

    with dagster.running(name, arguments, made.environment, made.home) as record:
        wait_until_ready(name, record, probe, log=log, patience_seconds=_READY_SECONDS)
        yield


def _medians(samples: list[dict[str, dict[str, float]]], name: str) -> dict[str, float]:
    of_way = [sample[name] for sample in samples]
    return {key: round(statistics.median(one[key] for one in of_way), 2) for key in of_way[0]}


if __name__ == "__main__":
    main()
