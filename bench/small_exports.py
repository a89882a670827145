"""(f) Small exports through sensor and daemon: how many per minute, and how long one takes."""

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from bench.world import World
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_pipeline.core.request.model import StoredExport

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
DEADLINE = timedelta(minutes=20)


def in_process(here: World, project: str, rounds: int) -> dict[str, float]:
    """Seconds of an export that nobody has to start: everything is imported."""
    here.export(project, "traces", "CSV")
    samples = [_timed(lambda: here.export(project, "traces", "CSV")) for _ in range(rounds)]
    return {"in_process_seconds": statistics.median(samples)}


def through_the_daemon(here: World, project: str, alone: int, count: int) -> dict[str, float]:
    """Seconds from QUEUED to COMPLETED of an export alone, and exports per minute of many.

    Args:
        here: The stack.
        project: Of a few rows.
        alone: How many are made one after the other.
        count: How many are queued at once; 0: none.
    """
    home = dagster.prepare_home(here.folder)
    environment = dagster.environment_for(here.stack.environment(), home)
    with dagster.running("daemon", dagster.daemon_arguments(), environment, home):
        _seconds(here, [here.queue(project, "traces", "CSV")])  # the daemon has started
        one = [_seconds(here, [here.queue(project, "traces", "CSV")]) for _ in range(alone)]
        found = {"alone_seconds": statistics.median(one)}
        if count:
            rows = [here.queue(project, "traces", "JSONL") for _ in range(count)]
            together = _seconds(here, rows)
            found |= {
                "exports": count,
                "together_seconds": together,
                "exports_per_minute": count / together * 60,
            }
    return found


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _seconds(here: World, rows: Sequence[StoredExport]) -> float:
    """Until the last of some queued exports is COMPLETED."""
    begin = time.monotonic()
    waiting = {row.id for row in rows}
    while waiting:
        if time.monotonic() - begin > DEADLINE.total_seconds():
            message = f"{len(waiting)} exports have not ended."
            raise TimeoutError(message)
        time.sleep(0.2)
        for export_id in sorted(waiting):
            status = here.ports["export_rows"].get(export_id).status
            if status in ENDED - {"COMPLETED"}:
                message = f"An export is {status}."
                raise RuntimeError(message)
            if status == "COMPLETED":
                waiting.discard(export_id)
    return time.monotonic() - begin
