"""A real export by each executor that runs the steps in processes of their own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes import process, stopping
from lf_export_localstack.processes.tcp_ports import choose
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.spool import open_spool
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, PARTITIONS_NAME
from lf_export_pipeline.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

PROJECT = "executor-project"
WORKERS = ("one", "two")
INSTALL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Installation:
    """A DAGSTER_HOME beside the stack, and the environment of every process that uses it."""

    home: Path
    environment: dict[str, str]

    def export(self) -> tuple[ExportRow, set[int]]:
        """An export by ``dagster job execute``: its row, and the processes that ran its steps."""
        row = requested_row(project=PROJECT, table="traces", file_format="JSONL", user="user-ada")
        database = LangfusePostgres(Settings.load(self.environment))
        with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
            stack.callback(database.close)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            instance = stack.enter_context(dg.DagsterInstance.get())
            instance.add_dynamic_partitions(PARTITIONS_NAME, [row.id])
            database.exports.add(row)
            self._execute(row.id)
            ended = database.exports.get(row.id)
            assert ended
            return ended, _pids(instance, row.id)

    def _execute(self, export_id: str) -> None:
        arguments = ["-m", "lf_export_pipeline.definitions", "-j", "batch_export"]
        tags = f'{{"{PARTITION_TAG}": "{export_id}"}}'
        program = Path(sys.executable).with_name("dagster")
        done = subprocess.run(
            [program, "job", "execute", *arguments, "--tags", tags],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3_000:]


def _pids(instance: dg.DagsterInstance, export_id: str) -> set[int]:
    (run,) = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: export_id}))
    started = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
    return {entry.get_dagster_event().pid or 0 for entry in started}


@pytest.fixture(scope="module")
def project(stack: LocalStack) -> str:
    size = SampleSize(traces=4_000, observations_per_trace=0, text_bytes=2_000)
    generate_sample(stack.addresses(), PROJECT, size, until=datetime.now(UTC))
    return PROJECT


def installation(stack: LocalStack, folder: Path, **changes: str) -> Installation:
    home = dagster.prepare_home(folder)
    small = {"LF_EXPORT_CHUNK_TARGET_MIB": "2", "LF_EXPORT_STEP_TARGET_MIB": "2"}
    return Installation(home, dagster.environment_for(stack.environment() | small, home, **changes))


def test_steps_in_forked_processes_make_the_same_file(
    stack: LocalStack, project: str, tmp_path: Path
) -> None:
    forked = installation(stack, tmp_path, LF_EXPORT_EXECUTOR="multiprocess")

    row, pids = forked.export()

    assert (row.status, row.log) == ("COMPLETED", None)
    assert len(pids) >= 8, "each of six ops, and each of several steps of chunks, has a process"


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The program; root gets it from the distribution."""
    if not shutil.which("redis-server") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "redis-server"],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            timeout=INSTALL_SECONDS,
            capture_output=True,
            check=False,
        )
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server, and it cannot be installed by apt-get here")
    return program


@pytest.fixture
def broker(redis_server: str, tmp_path: Path) -> Iterator[str]:
    (port,) = choose(["redis"], earlier={}, configured={}).values()
    arguments = (*("--port", str(port)), *("--bind", "127.0.0.1"), *("--save", ""))
    launch = process.Launch(
        argv=(redis_server, *arguments),
        environment=dict(os.environ),
        directory=tmp_path,
        log=tmp_path / "redis.log",
    )
    record = process.start(launch)
    yield f"redis://127.0.0.1:{port}/0"
    stopping.stop(record, request=signal.SIGTERM, grace_seconds=10)


def test_two_celery_workers_share_the_chunks_of_an_export_with_the_spool_in_the_bucket(
    stack: LocalStack, project: str, broker: str, tmp_path: Path
) -> None:
    pytest.importorskip("dagster_celery", reason="the extra celery is not installed")
    bucket = stack.environment()["LANGFUSE_S3_BATCH_EXPORT_BUCKET"]
    shared = installation(
        stack,
        tmp_path,
        LF_EXPORT_EXECUTOR="celery",
        LF_EXPORT_CELERY_BROKER=broker,
        LF_EXPORT_SPOOL=f"s3://{bucket}/celery-spool",
    )
    with ExitStack() as workers:
        for name in WORKERS:
            arguments = ["celery", "-A", "lf_export_pipeline.celery_app", "worker"]
            arguments += ["-Q", "dagster", "-c", "1", "-n", f"{name}@localhost", "-l", "INFO"]
            running = dagster.running(name, arguments, shared.environment, shared.home)
            workers.enter_context(running)
        row, pids = shared.export()

    assert (row.status, row.log) == ("COMPLETED", None)
    assert len(pids) == len(WORKERS)
    for name in WORKERS:
        assert "execute_plan" in (shared.home / f"{name}.log").read_text()
    assert open_spool(Settings.load(shared.environment)).folders() == []
