"""How long the code location takes to import, Dagster's own part and the rest of it."""

import re
import statistics
import subprocess
import sys

LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)")
DAGSTER = "import dagster, dagster_postgres"


def import_seconds(rounds: int) -> dict[str, float]:
    """Medians: all of ``lf_export_pipeline.definitions``, and what Dagster alone takes of it."""
    whole = [_imported("import lf_export_pipeline.definitions") for _ in range(rounds)]
    without = [
        _imported(f"{DAGSTER}\nimport lf_export_pipeline.definitions", "lf_export_pipeline")
        for _ in range(rounds)
    ]
    return {
        "definitions": statistics.median(whole),
        "without_dagster": statistics.median(without),
    }


def _imported(code: str, package: str = "") -> float:
    """Seconds of the outermost imports whose name begins with the package."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = [match.groups() for match in map(LINE.match, said.splitlines()) if match]
    outermost = [
        int(total) for _, total, indent, name in found if not indent and name.startswith(package)
    ]
    return sum(outermost) / 1e6
