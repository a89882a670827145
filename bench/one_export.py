"""(e) One export in a process of its own: seconds, rows, bytes and peak memory, as JSON.

The stack of the folder has to be up: ``python -m bench`` has it, or ``lf-export local up``.

python -m bench.one_export --folder .lf-export/bench --project P --table traces --format CSV
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path


def measured(folder: Path, project: str, table: str, file_format: str) -> dict[str, float]:
    """The figures of one export, made by a fresh Python."""
    words = ["--folder", str(folder), "--project", project, "--table", table]
    command = [sys.executable, "-m", "bench.one_export", *words, "--format", file_format]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--folder", "--project", "--table", "--format"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    # What the imports need is a part of the peak.
    from bench.world import on_running  # noqa: PLC0415
    from lf_export_localstack.stack.local_stack import LocalStack  # noqa: PLC0415

    with on_running(LocalStack(Path(asked.folder))) as here:
        before = _peak_mb()
        begin = time.perf_counter()
        size = here.export(asked.project, asked.table, asked.format)
        seconds = time.perf_counter() - begin
    peak = _peak_mb()
    print(
        json.dumps(
            {
                "seconds": seconds,
                "bytes": size,
                "peak_mb": peak,
                "before_mb": before,
            }
        )
    )


def _peak_mb() -> float:
    """Of this program: ``getrusage`` also counts what its parent had when it started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kibibytes) * 1024 / 1e6


if __name__ == "__main__":
    main()
