"""What formats cost that Langfuse does not have, beside CSV of the same rows.

    python -m bench.other_formats [--folder FOLDER] [--rows 100000] [--rounds 3]

Prints, for reading and serialising, processor seconds of this process and of ClickHouse per GB of
CSV, and the size of the file as a share of CSV's. Compare figures of one run only.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench.aims import GB
from bench.measuring import Figure, alternating
from bench.phases import Phases
from bench.world import World, ensure_project, world
from lf_export_pipeline.core.request.options import Compression

TEXT_BYTES = 2_000
PLAIN = "CSV"
FORMATS = (
    (PLAIN, Compression.NONE),
    (PLAIN, Compression.GZIP),
    (PLAIN, Compression.ZSTD),
    ("JSONL", Compression.NONE),
    ("JSONL", Compression.GZIP),
    ("JSONL", Compression.ZSTD),
    ("PARQUET", Compression.NONE),
)


def ways_of(here: World, project: str, table: str) -> Mapping[str, Callable[[], int]]:
    """Reading and serialising in each format, by its name."""
    ways: dict[str, Callable[[], int]] = {}
    for file_format, compression in FORMATS:
        plain = Phases.of(here, project, table, file_format)
        request = plain.query.request.model_copy(update={"compression": compression})
        query = plain.query.model_copy(update={"request": request})
        ways[request.format_text] = replace(plain, query=query).read_and_serialise
    return ways


def shown(table: str, figures: Mapping[str, Figure]) -> None:
    csv = figures[PLAIN].bytes
    print(f"{table}: {csv / 1e6:,.0f} MB of CSV")
    for name, figure in figures.items():
        own, server = figure.own_cpu / (csv / GB), figure.server_cpu / (csv / GB)
        print(
            f"  {name:14} own CPU s per GB of CSV {own:5.2f}, ClickHouse's {server:5.2f}, "
            f"{figure.seconds:5.1f} s, {figure.bytes / csv:6.1%} of CSV"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What formats cost that Langfuse does not have.")
    parser.add_argument("--folder", type=Path, default=Path(".lf-export/bench"))
    parser.add_argument("--rows", type=int, default=100_000, help="traces, and observations")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    project = f"bench-formats-{asked.rows}"
    with world(asked.folder) as here:
        ensure_project(here, project, asked.rows, observations=True, text_bytes=TEXT_BYTES)
        for table in ("traces", "observations"):
            ways = ways_of(here, project, table)
            alternating(ways, 1, here.server_pid)  # what is imported and asked once
            shown(table, alternating(ways, asked.rounds, here.server_pid))


if __name__ == "__main__":
    main()
