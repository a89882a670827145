"""What was measured, as a table on the terminal, a file of results and two plots."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.aims import GB, Aim, own_cpu_per_gb, waiting_share
from bench.measuring import Figure
from bench.plot import bars, growth
from bench.ways import limit_of
from bench.world import World

PACKAGES = ("dagster", "pyarrow", "polars", "clickhouse-connect", "chdb", "boto3", "pandas")
RESULTS = Path("docs/images/benchmark.json")
SPEED_PLOT = Path("docs/images/speed.svg")
GROWTH_PLOT = Path("docs/images/growth.svg")


def machine(here: World) -> dict[str, str]:
    """What the figures hold for."""
    with here.clickhouse() as client:
        clickhouse = str(client.query("SELECT version()").result_rows[0][0])
    cpu = next(
        (line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "load_average_before": f"{os.getloadavg()[0]:.1f}",
        "sha256_cpu_seconds_per_gb": f"{_yardstick():.2f}",
        "python": platform.python_version(),
        "clickhouse": clickhouse,
        **{name: version(name) for name in PACKAGES},
    }


def shown(
    results: Mapping[str, Any], figures: Mapping[str, Figure], aims: Sequence[Aim], console: Console
) -> None:
    """Everything on the terminal, the aims last."""
    console.print(speed_table(figures))
    for found in results["growth"]:
        console.print(plain_table(f"{found['rows']:,} rows of traces, CSV", found))
    console.print(plain_table("one row of 100 MB, JSONL", results["row_of_100_mb"]))
    for name in ("small_exports", "import", "machine"):
        console.print(plain_table(name.replace("_", " "), results[name]))
    console.print(aims_table(aims))


def speed_table(figures: Mapping[str, Figure]) -> Table:
    """One line per way."""
    table = Table(
        "what", "s", "MB/s", "own CPU s", "per GB", "waiting", "server CPU s", "of the limit"
    )
    for name, found in figures.items():
        limit = figures.get(limit_of(name) or "")
        ratio = found.megabytes_per_second / limit.megabytes_per_second if limit else None
        table.add_row(
            name,
            f"{found.seconds:.2f}",
            f"{found.megabytes_per_second:,.0f}",
            f"{found.own_cpu:.2f}",
            f"{own_cpu_per_gb(found):.2f}",
            f"{waiting_share(found):.0%}",
            f"{found.server_cpu:.2f}",
            "" if ratio is None else f"{ratio:.2f}",
        )
    return table


def aims_table(aims: Sequence[Aim]) -> Table:
    """One line per aim."""
    table = Table("aim", "measured", "is to be", "")
    for aim in aims:
        table.add_row(aim.name, f"{aim.measured:,.2f}", aim.aim, "met" if aim.is_met else "not met")
    return table


def plain_table(title: str, values: Mapping[str, Any]) -> Table:
    table = Table(title, "")
    for name, value in values.items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else str(value))
    return table


def written(results: Mapping[str, Any], figures: Mapping[str, Figure], console: Console) -> None:
    """The results and the plots, in the folder of the documents' images."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, default=_as_json) + "\n")
    speeds = {name: found.megabytes_per_second for name, found in figures.items()}
    SPEED_PLOT.write_text(bars("Megabytes of file per second", speeds, "pipeline"))
    points = [(found["rows"], found["seconds"], found["peak_mb"]) for found in results["growth"]]
    if len(points) > 1:
        GROWTH_PLOT.write_text(growth("Seconds and peak memory of one export", points))
    console.print(f"{RESULTS}, {SPEED_PLOT} and {GROWTH_PLOT} are written")


def _yardstick() -> float:
    """What this processor takes for work that is the same everywhere."""
    block, begin = bytes(100_000_000), time.process_time()
    hashlib.sha256(block).digest()
    return (time.process_time() - begin) / (len(block) / GB)


def _as_json(value: Any) -> Any:
    return value.as_json() if isinstance(value, Figure) else str(value)


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
