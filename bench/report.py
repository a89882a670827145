"""What was measured, as a table on the terminal, a file of results and two plots."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measuring import Figure
from bench.plot import bars, growth
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
        "python": platform.python_version(),
        "clickhouse": clickhouse,
        **{name: version(name) for name in PACKAGES},
    }


def speed_table(figures: Mapping[str, Figure], limits: Mapping[str, str]) -> Table:
    """One line per way.

    Args:
        figures: By name.
        limits: The name of what each is compared with.
    """
    table = Table("what", "s", "fastest", "MB/s", "own CPU s", "server CPU s", "of the limit")
    for name, found in figures.items():
        limit = figures.get(limits.get(name, ""))
        ratio = found.megabytes_per_second / limit.megabytes_per_second if limit else None
        table.add_row(
            name,
            f"{found.seconds:.2f}",
            f"{found.fastest:.2f}",
            f"{found.megabytes_per_second:,.0f}",
            f"{found.own_cpu:.2f}",
            f"{found.server_cpu:.2f}",
            "" if ratio is None else f"{ratio:.2f}",
        )
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


def _as_json(value: Any) -> Any:
    return value.as_json() if isinstance(value, Figure) else str(value)


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
