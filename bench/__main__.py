"""All measurements in one run: ``python -m bench [--quick]``, or ``make bench``."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import report
from bench.imports import import_seconds
from bench.instead import rows_as_csv, rows_as_jsonl, with_data_frames
from bench.limit import written_by_clickhouse
from bench.measuring import Figure, alternating
from bench.one_export import measured
from bench.phases import Phases, uploaded
from bench.small_exports import through_the_daemon
from bench.world import World, ensure_project, ensure_wide_row, world

Ways = dict[str, Callable[[], int]]
TABLES = ("traces", "observations")
LIMIT, READ, JOB = "ClickHouse alone", "pipeline, read + serialise", "pipeline, whole job"
WIDE = "bench-wide"
LIMIT_OF = {"CSV": "CSV", "JSON": "JSONL", "JSONL": "JSONL"}


def main() -> None:
    asked = _arguments()
    console = Console(width=140)
    with world(asked.folder) as here:
        console.print("Making the data, unless an earlier run has …")
        _make_data(here, asked)
        machine = report.machine(here)
        figures, limits = _speeds(here, asked, console)
        console.print(report.speed_table(figures, limits))
        grown = [_grown(here, rows) for rows in asked.growth]
        wide = measured(here.folder, WIDE, "traces", "JSONL")
        small = through_the_daemon(here, "bench-small", asked.small) if asked.small else {}
    imports = import_seconds(asked.rounds)
    results: dict[str, Any] = {
        "machine": machine,
        "data": {"rows": asked.rows, "text_bytes": asked.text_bytes, "rounds": asked.rounds},
        "speed": figures,
        "ratios": _ratios(figures, limits),
        "growth": grown,
        "row_of_100_mb": wide,
        "small_exports": small,
        "import_seconds": imports,
    }
    for found in grown:
        console.print(report.plain_table(f"{found['rows']:,} rows of traces, CSV", found))
    console.print(report.plain_table("one row of 100 MB, JSONL", wide))
    console.print(report.plain_table("small exports", small))
    console.print(report.plain_table("import, seconds", imports))
    console.print(report.plain_table("machine", machine))
    report.written(results, figures, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast the exports are.")
    parser.add_argument("--folder", type=Path, default=Path(".lf-export/bench"))
    parser.add_argument("--rows", type=int, default=300_000, help="traces, and observations")
    parser.add_argument("--text-bytes", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=60, help="small exports at once; 0: none")
    parser.add_argument(
        "--growth", type=int, nargs="*", default=[10_000, 30_000, 300_000, 3_000_000]
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, two rounds")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.rounds, asked.small = asked.rows // 10, 2, min(asked.small, 10)
        asked.growth = [rows for rows in asked.growth if rows <= 100_000]
    return asked


def _make_data(here: World, asked: argparse.Namespace) -> None:
    ensure_project(
        here, _project(asked), asked.rows, observations=True, text_bytes=asked.text_bytes
    )
    ensure_project(here, "bench-small", 100, observations=False, text_bytes=500)
    ensure_wide_row(here, WIDE, 100_000_000)
    for rows in asked.growth:
        ensure_project(here, _growing(rows), rows, observations=False, text_bytes=200)


def _speeds(
    here: World, asked: argparse.Namespace, console: Console
) -> tuple[dict[str, Figure], dict[str, str]]:
    figures: dict[str, Figure] = {}
    limits: dict[str, str] = {}
    for table in TABLES:
        console.print(f"Measuring {table}, {asked.rounds} rounds …")
        ways = _ways(here, asked, table)
        figures |= alternating(ways, asked.rounds, here.server_pid)
        for name in ways:
            file_format = LIMIT_OF.get(name.rpartition(" ")[2])
            if file_format and not name.startswith((LIMIT, table)):
                limits[name] = f"{LIMIT}: {table} {file_format}"
    return figures, limits


def _ways(here: World, asked: argparse.Namespace, table: str) -> Ways:
    project, few = _project(asked), asked.rows // 10
    ways: Ways = {}
    for file_format in ("CSV", "JSONL"):
        ways[f"{LIMIT}: {table} {file_format}"] = partial(
            written_by_clickhouse, here, project, table, file_format
        )
        phases = Phases.of(here, project, table, file_format)
        ways[f"{READ}: {table} {file_format}"] = phases.read_and_serialise
    for file_format in ("CSV", "JSON", "JSONL"):
        ways[f"{JOB}: {table} {file_format}"] = partial(here.export, project, table, file_format)
    ways[f"{table}: key scan alone"] = phases.scan
    ways[f"{table}: upload alone"] = partial(uploaded, here, _file_to_upload(here, asked))
    ways[f"row streaming: {table} CSV"] = partial(rows_as_csv, here, project, table, few)
    ways[f"row streaming: {table} JSONL"] = partial(rows_as_jsonl, here, project, table, few)
    ways[f"data frames: {table} CSV"] = partial(with_data_frames, here, project, table)
    return ways


def _file_to_upload(here: World, asked: argparse.Namespace) -> Path:
    """As large as an export; its bytes do not compress, which nobody tries."""
    file = here.folder / "to-upload"
    size = asked.rows * (asked.text_bytes + 500)
    if not file.exists() or file.stat().st_size != size:
        block = bytes(range(256)) * 4096
        with file.open("wb") as target:
            for _ in range(size // len(block)):
                target.write(block)
            target.write(block[: size % len(block)])
    return file


def _grown(here: World, rows: int) -> dict[str, Any]:
    return {"rows": rows, **measured(here.folder, _growing(rows), "traces", "CSV")}


def _ratios(figures: dict[str, Figure], limits: dict[str, str]) -> dict[str, float]:
    return {
        name: figures[name].megabytes_per_second / figures[limit].megabytes_per_second
        for name, limit in limits.items()
    }


def _project(asked: argparse.Namespace) -> str:
    return f"bench-{asked.rows}-{asked.text_bytes}"


def _growing(rows: int) -> str:
    return f"bench-rows-{rows}"


if __name__ == "__main__":
    main()
