"""What the code location's import costs beyond Dagster's own libraries."""

import statistics
import subprocess
import sys

DAGSTER = "import dagster, dagster_aws.s3, dagster_postgres, dagster._grpc.server"
"""What a code server or a run imports before it comes to ours."""

_PROGRAM = f"""
import time, resource
{DAGSTER}
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line)
cpu, memory = time.process_time(), peak()
import lf_export_pipeline.definitions
print(cpu, time.process_time() - cpu, (peak() - memory) * 1024 / 1e6)
"""


def import_cost(rounds: int) -> dict[str, float]:
    """Medians: processor seconds of Dagster's import, those of ours after it, and its megabytes."""
    dagster, ours, megabytes = zip(*(_measured() for _ in range(rounds)), strict=True)
    return {
        "dagster_cpu_seconds": statistics.median(dagster),
        "cpu_seconds": statistics.median(ours),
        "mb": statistics.median(megabytes),
    }


def _measured() -> tuple[float, float, float]:
    command = [sys.executable, "-c", _PROGRAM]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    dagster, ours, megabytes = map(float, said.split())
    return dagster, ours, megabytes
