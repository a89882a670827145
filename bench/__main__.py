"""All measurements in one run: ``python -m bench [--quick]``, or ``make bench``."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import report
from bench.aims import GB, aims_of_the_rest, aims_of_ways
from bench.bucket import BucketProcess, bucket_elsewhere
from bench.imports import import_cost
from bench.measuring import Figure, alternating
from bench.one_export import measured as measured_alone
from bench.small_exports import in_process, through_the_daemon
from bench.ways import TABLES, Measured, limit_of, names_of, ways_of
from bench.world import (
    World,
    ensure_escapes,
    ensure_project,
    ensure_wide_row,
    with_bucket,
    world,
)

SMALL, WIDE = "bench-small", "bench-wide"


def main() -> None:
    asked = _arguments()
    console = Console(width=140)
    with ExitStack() as stack:
        here = stack.enter_context(world(asked.folder))
        console.print("Making the data, unless an earlier run has …")
        _make_data(here, asked)
        results: dict[str, Any] = {
            "machine": report.machine(here),
            "data": {"rows": asked.rows, "text_bytes": asked.text_bytes, "rounds": asked.rounds},
        }
        figures, bucket_cpu = _speeds(here, asked, console)
        results |= _rest(here, asked, console)
    names = [name for table in TABLES for name in names_of(table)]
    rest = (results["growth"], results["small_exports"], results["import"])
    aims = [*aims_of_ways(figures, names), *aims_of_the_rest(*rest, bucket_cpu)]
    results |= {
        "speed": figures,
        "ratios": _ratios(figures),
        "aims": [aim.as_json() for aim in aims],
    }
    report.shown(results, figures, aims, console)
    report.written(results, figures, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast the exports are.")
    parser.add_argument("--folder", type=Path, default=Path(".lf-export/bench"))
    parser.add_argument("--rows", type=int, default=300_000, help="traces, and observations")
    parser.add_argument("--text-bytes", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", type=int, default=3, help="small exports one by one; 0: none")
    parser.add_argument("--small", type=int, default=60, help="small exports at once; 0: none")
    parser.add_argument(
        "--growth", type=int, nargs="*", default=[10_000, 30_000, 300_000, 3_000_000]
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.rounds = asked.rows // 10, 1
        asked.alone, asked.small = min(asked.alone, 1), 0
        asked.growth = [rows for rows in asked.growth if rows <= 50_000]
    return asked


def _make_data(here: World, asked: argparse.Namespace) -> None:
    project = _project(asked)
    ensure_project(here, project, asked.rows, observations=True, text_bytes=asked.text_bytes)
    ensure_escapes(here, f"{project}-escapes", project)
    ensure_project(here, SMALL, 100, observations=False, text_bytes=500)
    ensure_wide_row(here, WIDE, 100_000_000)
    for rows in asked.growth:
        ensure_project(here, _growing(rows), rows, observations=False, text_bytes=200)


def _speeds(
    here: World, asked: argparse.Namespace, console: Console
) -> tuple[dict[str, Figure], float | None]:
    """The figures of all ways, and what the bucket elsewhere has cost, in CPU seconds per GB."""
    figures: dict[str, Figure] = {}
    with bucket_elsewhere() as bucket, with_bucket(here, bucket.endpoint) as elsewhere:
        measured = Measured(here, elsewhere, _project(asked), asked.rows, asked.text_bytes)
        _warm_up(here)
        for table in TABLES:
            console.print(f"Measuring {table}, rounds: {asked.rounds} …")
            figures |= alternating(ways_of(measured, table), asked.rounds, here.server_pid)
        return figures, _cost_of(bucket, figures, asked.rounds)


def _warm_up(here: World) -> None:
    """What is imported and asked once would be counted to the way that is measured first."""
    for file_format in ("CSV", "JSONL"):
        here.export(SMALL, "traces", file_format)


def _cost_of(bucket: BucketProcess, figures: dict[str, Figure], rounds: int) -> float | None:
    taken = sum(figure.bytes for name, figure in figures.items() if "bucket elsewhere" in name)
    return bucket.cpu_seconds / (taken * rounds / GB) if taken else None


def _rest(here: World, asked: argparse.Namespace, console: Console) -> dict[str, Any]:
    console.print("Measuring growth, small exports and the start …")
    small = in_process(here, SMALL, max(asked.rounds, 3))
    if asked.alone:
        small |= through_the_daemon(here, SMALL, asked.alone, asked.small)
    return {
        "growth": [_grown(here, rows) for rows in asked.growth],
        "row_of_100_mb": measured_alone(here.folder, WIDE, "traces", "JSONL"),
        "small_exports": small,
        "import": import_cost(max(asked.rounds, 3)),
    }


def _grown(here: World, rows: int) -> dict[str, Any]:
    return {"rows": rows, **measured_alone(here.folder, _growing(rows), "traces", "CSV")}


def _ratios(figures: dict[str, Figure]) -> dict[str, float]:
    return {
        name: figure.megabytes_per_second / figures[limit].megabytes_per_second
        for name, figure in figures.items()
        if (limit := limit_of(name)) in figures
    }


def _project(asked: argparse.Namespace) -> str:
    return f"bench-{asked.rows}-{asked.text_bytes}"


def _growing(rows: int) -> str:
    return f"bench-rows-{rows}"


if __name__ == "__main__":
    main()
