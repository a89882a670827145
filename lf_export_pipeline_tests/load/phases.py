"""The two kinds of load: many exports at once, and many that wait."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus

from lf_export_pipeline.lifecycle.run_records import JOB_NAME, export_id_of, in_flight_runs
from lf_export_pipeline_tests.integration.operations.deployment import eventually
from lf_export_pipeline_tests.load.deployment import (
    PROJECTS,
    USER,
    WAITING,
    ExportSpec,
    LoadDeployment,
    endless_wishes,
)
from lf_export_pipeline_tests.load.watch import Watch
from lf_export_pipeline_tests.ticks import tick

LOOK_SECONDS = 1.0
EVALUATIONS = 3
PATIENCE_SECONDS = 600
SENSOR = "reconcile_exports"
_FILL = """
INSERT INTO batch_exports
       (id, project_id, user_id, created_at, updated_at, name, status, format, query)
SELECT 'waits-' || lpad(n::text, 5, '0'), (CAST(:projects AS text[]))[n % :number + 1], :user,
       now() AT TIME ZONE 'UTC' - (:many - n) * interval '1 second', now() AT TIME ZONE 'UTC',
       'waits ' || n, 'QUEUED', 'JSONL',
       '{"tableName": "scores", "filter": [], "orderBy": null}'
FROM generate_series(1, :many) AS n
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made under load, and how long that took."""

    asked: dict[str, ExportSpec]
    seconds: float


@dataclass(frozen=True, slots=True)
class Ticks:
    """Ticks of the sensor while many rows wait.

    Attributes:
        seconds: How long each of them took, as the daemon sees it.
        own_seconds: How long the sensor itself took, a few times, on the same rows.
        order: The exports in the order in which their runs were made.
    """

    seconds: Sequence[float]
    own_seconds: Sequence[float]
    order: Sequence[str]


def keep_making(deployment: LoadDeployment, watch: Watch, seconds: float, unfinished: int) -> Made:
    """Keeps so many exports unfinished for so long, then lets them end; with 0 s each ends once."""
    asked: dict[str, ExportSpec] = {}
    specs = endless_wishes()
    began = time.monotonic()
    left: set[str] = set()
    while True:
        is_kept = time.monotonic() - began <= seconds or not asked
        for _ in range(unfinished - len(left) if is_kept else 0):
            spec = next(specs)
            asked[deployment.queue(spec)] = spec
        (watch.look if is_kept else watch.look_at_the_end)()
        time.sleep(LOOK_SECONDS)
        left = {
            name for name, status in deployment.statuses(list(asked)).items() if status in WAITING
        }
        elapsed = time.monotonic() - began
        assert elapsed < seconds + PATIENCE_SECONDS, f"{len(left)} exports do not end"
        if not left and elapsed > seconds:
            eventually(lambda: not in_flight_runs(deployment.instance))  # which send e-mails
            return Made(asked, elapsed)


def let_wait(deployment: LoadDeployment, many: int, wanted: int) -> Ticks:
    """Queues exports while the daemon runs, until the sensor has ticked so often."""
    before = time.time()
    projects = list(PROJECTS)
    deployment.change(_FILL, many=many, projects=projects, number=len(projects), user=USER)
    try:
        eventually(lambda: len(ticks_since(deployment, before)) >= wanted)
        own = [_evaluated(deployment) for _ in range(EVALUATIONS)]
        return Ticks(ticks_since(deployment, before), own, _order(deployment))
    finally:
        deployment.change("DELETE FROM batch_exports WHERE id LIKE 'waits-%' AND status = 'QUEUED'")
        eventually(lambda: not in_flight_runs(deployment.instance))


def _evaluated(deployment: LoadDeployment) -> float:
    """How many seconds the sensor takes to say which exports begin; nothing begins by that."""
    began = time.monotonic()
    rows = deployment.database.exports
    tick(deployment.instance, rows, deployment.settings)
    return time.monotonic() - began


def out_of_order(order: Sequence[str], projects: int) -> list[str]:
    """The exports that were begun after a younger one of the same project."""
    newest: dict[int, str] = {}
    late = []
    for export_id in order:
        project = int(export_id.removeprefix("waits-")) % projects
        if export_id < newest.get(project, ""):
            late.append(export_id)
        newest[project] = max(export_id, newest.get(project, ""))
    return late


def ticks_since(deployment: LoadDeployment, since: float) -> list[float]:
    """How many seconds each tick of the sensor took that began after an instant."""
    states = deployment.instance.all_instigator_state()
    (sensor,) = [each for each in states if each.instigator_name == SENSOR]
    ticks = deployment.instance.get_ticks(
        sensor.instigator_origin_id, sensor.selector_id, after=since
    )
    assert all(tick.status is not TickStatus.FAILURE for tick in ticks)
    return [tick.end_timestamp - tick.timestamp for tick in ticks if tick.end_timestamp]


def _order(deployment: LoadDeployment) -> tuple[str, ...]:
    runs = deployment.instance.get_run_records(dg.RunsFilter(job_name=JOB_NAME), ascending=True)
    found = (export_id_of(record.dagster_run) or "" for record in runs)
    return tuple(export_id for export_id in found if export_id.startswith("waits-"))
