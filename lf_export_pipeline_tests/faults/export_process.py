"""One run of the real job in a process of its own, which can be killed.

Of the pipeline nothing is replaced but the pauses between tries, which are shorter, and where a
fault asks for it the clock of the process and how long it waits for a server that is silent.
"""

import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import dagster as dg
import time_machine

from lf_export_pipeline.adapters.clickhouse import clickhouse_reader
from lf_export_pipeline.adapters.s3 import s3_client
from lf_export_pipeline.adapters.smtp import mailer, smtp_session
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import RESOURCES
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG, PARTITIONS_NAME

QUICK_RETRIES = dg.RetryPolicy(max_retries=3, delay=0.5, backoff=dg.Backoff.EXPONENTIAL)
CLOCK_JUMPS = signal.SIGUSR1


@dataclass(frozen=True, slots=True)
class Moment:
    """When a process is about to do something to a file.

    Attributes:
        event: What, as Python's table of audit events calls it.
        path: A pattern of the file's path, as the event has it.
        nth: For the how manieth time.
    """

    event: str
    path: str
    nth: int = 1


@dataclass(frozen=True)
class Circumstances:
    """What a run finds.

    Attributes:
        environment: The addresses of its servers.
        folder: Of Dagster's records; the process writes its output there too.
        resumed: The failed run to go on with from where it failed; None for a new run.
        file_max_bytes: Longer files cannot be written, as on a disk that is full.
        clock_ahead: How wrong the clock of the process is, for everything in it.
        clock_jumps: Whether it is right until the process gets ``CLOCK_JUMPS``.
        patience_seconds: How long it waits for a server that is silent; None as in production.
        dies_at: When it kills itself, as the kernel would; None: it does not.
    """

    environment: Mapping[str, str]
    folder: Path
    resumed: str | None = None
    file_max_bytes: int | None = None
    clock_ahead: timedelta = field(default=timedelta())
    clock_jumps: bool = False
    patience_seconds: int | None = None
    dies_at: Moment | None = None


def start(export_id: str, circumstances: Circumstances) -> ForkServerProcess:
    """The process of a run that has just begun."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_main, args=(export_id, circumstances))
    process.start()
    return process


def instance_of(folder: Path) -> dg.DagsterInstance:
    """Dagster's records in a folder, which outlive the processes that write them."""
    quiet = {"telemetry": {"enabled": False}}
    return dg.DagsterInstance.local_temp(str(folder), overrides=quiet)


def the_job() -> dg.JobDefinition:
    """The job on the servers of this process's environment."""
    job = batch_export_job(retries=QUICK_RETRIES)
    return dg.Definitions(jobs=[job], resources=RESOURCES).get_job_def(job.name)


def _main(export_id: str, circumstances: Circumstances) -> None:
    log = os.open(circumstances.folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.environ.update(circumstances.environment)
    if circumstances.file_max_bytes is not None:
        limit = circumstances.file_max_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    _set_clock(circumstances.clock_ahead, jumps=circumstances.clock_jumps)
    if circumstances.patience_seconds is not None:
        _lose_patience_after(circumstances.patience_seconds)
    if circumstances.dies_at is not None:
        _die_at(circumstances.dies_at)
    with instance_of(circumstances.folder) as instance:
        _execute(export_id, circumstances.resumed, instance)


def _execute(export_id: str, resumed: str | None, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(PARTITIONS_NAME, [export_id])
    options = dg.ReexecutionOptions.from_failure(resumed, instance) if resumed else None
    with dg.execute_job(
        dg.reconstructable(the_job),
        instance=instance,
        tags={PARTITION_TAG: export_id},
        reexecution_options=options,
        raise_on_error=False,
    ) as result:
        sys.exit(0 if result.success else 1)


def _set_clock(ahead: timedelta, *, jumps: bool) -> None:
    def jump(*_: object) -> None:
        time_machine.travel(datetime.now(UTC) + ahead, tick=True).start()

    if jumps:
        signal.signal(CLOCK_JUMPS, jump)
    elif ahead:
        jump()


def _die_at(moment: Moment) -> None:
    pattern, times = re.compile(moment.path), count(1)

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event != moment.event:
            return
        paths = (os.fsdecode(one) for one in arguments if isinstance(one, str | os.PathLike))
        if any(pattern.search(path) for path in paths) and next(times) == moment.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def _lose_patience_after(seconds: int) -> None:
    clickhouse_reader.silence_seconds = lambda settings: seconds  # noqa: ARG005 - as it is called
    s3_client.SILENCE_SECONDS = seconds
    mailer.SILENCE_SECONDS = seconds
    smtp_session.ANSWER_SECONDS = seconds
