"""What the lake costs: ``python -m bench.lake``.

A year of days, of some projects and three tables. Observing reads narrow columns alone, so that few
rows per day tell what days and projects cost, and many what rows do: both are measured. The rows of
the second part are those of one day, observed once more and written.
"""

import argparse
import json
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import dagster as dg
import psutil

from bench.measuring import measured
from lf_export_localstack.processes import state
from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.defs.lake.automation import OBSERVE_JOB
from lf_export_pipeline.defs.lake.definitions import lake_definitions
from lf_export_pipeline.defs.lake.observed import DAYS_TAG
from lf_export_pipeline.defs.lake.shape import LakeShape
from lf_export_pipeline.defs.lake.stores import open_stores
from lf_export_pipeline.lake.opening import Lake
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.settings import Settings

FIRST = date(2025, 1, 1)
TABLES = ("traces", "observations", "scores")
LARGE = "large"
Value = TypeVar("Value")
_TIMES = {"traces": "timestamp", "observations": "start_time", "scores": "timestamp"}
_MORE = {
    "traces": "'in' AS input, 'out' AS output",
    "observations": "'GENERATION' AS type, concat('t', toString(n)) AS trace_id",
    "scores": "'NUMERIC' AS data_type, n / 7 AS value",
}
_TEXT = "repeat('All work and no play makes a dull text. ', 20)"


@dataclass(frozen=True, slots=True)
class Size:
    days: int
    projects: int
    rows: int  # of each day, project and table
    large_rows: int = 0  # of one day of one project
    written_days: int = 0


def main() -> None:
    asked = _arguments()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, a_stack(Path(folder)) as stack:
        remembered = state.load(stack.state_dir)
        assert remembered
        server = psutil.Process(remembered.processes["clickhouse"].pid)
        fill(stack, asked)
        settings = Settings.load(environment(stack, Path(folder) / "lake"))
        with open_stores(settings) as stores:
            figures = _figures(settings, stores.lake(), server, asked)
    print(json.dumps(figures, indent=1))


def _figures(
    settings: Settings, lake: Lake, server: psutil.Process, size: Size
) -> dict[str, object]:
    days = [(FIRST + timedelta(days=number)).isoformat() for number in range(size.days)]
    everything = measured(lambda: _observed(lake, days), server)
    large_day = [(FIRST + timedelta(days=size.days)).isoformat()]
    large = measured(lambda: _observed(lake, large_day, "traces"), server)
    written = measured(lambda: _written(lake, days[: size.written_days]), server)
    again = measured(lambda: _written(lake, days[: size.written_days]), server)
    wide = measured(lambda: _written(lake, large_day), server)
    ticks = _ticks(settings, size)
    per_million = 1e6 / max(1, size.large_rows)
    return {
        "size": {name: getattr(size, name) for name in Size.__slots__},
        "observe_everything": everything.rounded(),
        "observe_a_million_rows": large.rounded(per_million),
        "write_days": written.rounded() | {"objects": size.written_days * size.projects},
        "look_at_the_same_days_again": again.rounded(),
        "write_a_million_rows_of_1.6_KB": wide.rounded(per_million),
        "ticks_seconds": ticks,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }


def _observed(lake: Lake, days: list[str], *tables: str) -> int:
    return sum(len(lake.observer.of(LAKE_TABLES[name], days)) for name in tables or TABLES)


def _written(lake: Lake, days: list[str]) -> int:
    table = LAKE_TABLES["traces"]
    return sum(each.bytes for day in days for each in lake.healer.heal(table, [day]))


def _ticks(settings: Settings, size: Size) -> dict[str, float]:
    """Of the automation: with every day new, with nothing new."""
    shape = LakeShape.of(settings)
    defs = lake_definitions(shape, lambda: settings)
    end = FIRST + timedelta(days=size.days)
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(defs, instance)
        job = defs.resolve_job_def(OBSERVE_JOB)
        span = f"{FIRST.isoformat()}/{end.isoformat()}"
        seconds, _ = _timed(
            lambda: job.execute_in_process(instance=instance, tags={DAYS_TAG: span}).success
        )
        new, found = _timed(
            lambda: dg.evaluate_automation_conditions(defs, instance, cursor=first.cursor)
        )
        nothing, _ = _timed(
            lambda: dg.evaluate_automation_conditions(defs, instance, cursor=found.cursor)
        )
    return {
        "run_that_observes": round(seconds, 2),
        "requested": found.total_requested,
        "all_new": round(new, 2),
        "nothing_new": round(nothing, 2),
    }


def _timed(what: Callable[[], Value]) -> tuple[float, Value]:
    begin = time.perf_counter()
    found = what()
    return time.perf_counter() - begin, found


def environment(stack: LocalStack, folder: Path) -> dict[str, str]:
    """That of a lake in a folder, which begins with the first of the days."""
    lake = {
        "LF_EXPORT_LAKE_URL": f"file://{folder}",
        "LF_EXPORT_LAKE_START": FIRST.isoformat(),
        "LF_EXPORT_LAKE_TABLES": ",".join(TABLES),
    }
    return {**stack.environment(), **lake}


@contextmanager
def a_stack(folder: Path) -> Iterator[LocalStack]:
    """The embedded servers, with their data in a folder."""
    with LocalStack(folder / "stack").temporary() as stack:
        yield stack


def fill(stack: LocalStack, size: Size) -> None:
    """Rows in all tables, days and projects."""
    start = datetime.combine(FIRST, datetime.min.time(), UTC).timestamp()
    each = size.projects * size.rows
    with clickhouse_client(stack.addresses()) as client:
        for table in TABLES:
            day, project = f"intDiv(n, {each})", f"concat('p', toString(n % {size.projects}))"
            client.command(_insert(table, day, project, size.days * each, start))
        day = str(size.days)
        client.command(_insert("traces", day, f"'{LARGE}'", size.large_rows, start, _TEXT))


def _insert(  # noqa: PLR0917 - of one statement
    table: str, day: str, project: str, rows: int, start: float, text: str | None = None
) -> str:
    at = f"fromUnixTimestamp64Milli(toInt64({start:.0f} + {day} * 86400 + n % 86400) * 1000, 'UTC')"
    more = _MORE[table] if text is None else f"{text} AS input, {text} AS output"
    names = [part.rsplit(" AS ", 1)[1] for part in more.split(", ") if " AS " in part]
    columns = ["id", "project_id", _TIMES[table], "name", "event_ts", *names]
    select = f"concat('id-', toString(n)), {project}, {at} AS at, 'name', at, {more}"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {select} FROM (SELECT number AS n FROM numbers({rows})) "
        "SETTINGS max_partitions_per_insert_block = 1000"
    )


def _arguments() -> Size:
    parser = argparse.ArgumentParser(description="What the lake costs.")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--large-rows", type=int, default=300_000)
    parser.add_argument("--written-days", type=int, default=20)
    asked = parser.parse_args()
    return Size(asked.days, asked.projects, asked.rows, asked.large_rows, asked.written_days)


if __name__ == "__main__":
    main()
