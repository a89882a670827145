"""A backfill of a year, by the daemon: ``python -m bench.lake_backfill``.

It is launched as Dagster's UI launches it, cancelled when a third of the days is there, and
launched again. Memory is that of the largest process below the daemon, looked at each second.
"""

import argparse
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from bench.lake import FIRST, Size, a_stack, environment, fill
from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_pipeline.defs.lake.shape import lake_key
from lf_export_pipeline.lake.tables import LAKE_TABLES

TABLE = LAKE_TABLES["traces"]
NEVER = "0 0 29 2 *"  # the automation must not come before the backfill
POLL_SECONDS = 1.0
STANDSTILL_SECONDS = 300
ENDED = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED"}
LAUNCH = """
mutation ($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
CANCEL = "mutation ($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"
STATUS = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""


@dataclass(slots=True)
class Backfill:
    """One that goes on, and what was seen of it."""

    address: str
    daemon: psutil.Process
    lake: Path
    peak_bytes: int = 0

    def launched(self, days: list[str]) -> str:
        """The id of a new one."""
        key = {"path": list(lake_key(TABLE).path)}
        answer = self._ask(LAUNCH, backfill={"partitionNames": days, "assetSelection": [key]})
        return str(answer["launchPartitionBackfill"]["backfillId"])

    def cancelled(self, backfill_id: str) -> None:
        """Stop it, and wait until its runs have ended."""
        self._ask(CANCEL, id=backfill_id)
        self.ended(backfill_id)

    def ended(self, backfill_id: str) -> str:
        """How it has ended."""
        self.waits(lambda: self._status(backfill_id) in ENDED)
        return self._status(backfill_id)

    def waits(self, is_reached: Callable[[], bool]) -> None:
        """Look each second; give up if no object has come for minutes."""
        seen, since = -1, time.monotonic()
        while not is_reached():
            self.peak_bytes = max(self.peak_bytes, *self._sizes_of_processes())
            if (number := len(self.objects())) != seen:
                seen, since = number, time.monotonic()
            if time.monotonic() - since > STANDSTILL_SECONDS:
                message = f"The backfill does not go on; {seen} objects are there."
                raise TimeoutError(message)
            time.sleep(POLL_SECONDS)

    def objects(self) -> dict[Path, int]:
        """When each was written, in nanoseconds."""
        found = self.lake.glob(f"v1/{TABLE.name}/*/*/data.parquet")
        return {path: path.stat().st_mtime_ns for path in found}

    def _status(self, backfill_id: str) -> str:
        return str(self._ask(STATUS, id=backfill_id)["partitionBackfillOrError"]["status"])

    def _sizes_of_processes(self) -> Iterator[int]:
        yield 0
        for process in self.daemon.children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                yield process.memory_info().rss

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.address}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data


def main() -> None:
    parser = argparse.ArgumentParser(description="What a backfill of a year of a lake takes.")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--rows", type=int, default=20, help="of each day and project")
    asked = parser.parse_args()
    size = Size(asked.days, asked.projects, asked.rows)
    days = [(FIRST + timedelta(days=number)).isoformat() for number in range(size.days)]
    with tempfile.TemporaryDirectory() as name, _backfill(Path(name), size) as backfill:
        print(json.dumps(_figures(backfill, days, size), indent=1))


def _figures(backfill: Backfill, days: list[str], size: Size) -> dict[str, object]:
    third, begin = size.days * size.projects // 3, time.monotonic()
    first = backfill.launched(days)
    backfill.waits(lambda: len(backfill.objects()) >= third)
    backfill.cancelled(first)
    before = backfill.objects()
    status = backfill.ended(backfill.launched(days))
    after = backfill.objects()
    return {
        "size": {"days": size.days, "projects": size.projects, "rows": size.rows},
        "seconds": round(time.monotonic() - begin),
        "objects_when_cancelled": len(before),
        "of_these_written_again": sum(after[path] != at for path, at in before.items()),
        "objects": len(after),
        "status": status,
        "peak_mb_of_a_process": round(backfill.peak_bytes / 1e6),
    }


@contextmanager
def _backfill(folder: Path, size: Size) -> Iterator[Backfill]:
    lake = folder / "lake"
    with a_stack(folder) as stack:
        fill(stack, size)
        settings = environment(stack, lake) | {"LF_EXPORT_LAKE_CRON": NEVER}
        home = dagster.prepare_home(folder)
        everything = dagster.environment_for(settings, home)
        with dagster.daemon_and_ui(everything, home) as (daemon, address):
            yield Backfill(address, psutil.Process(daemon.pid), lake)


if __name__ == "__main__":
    main()
