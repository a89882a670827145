"""A standing export with the real daemon: from its windows to files that tile time."""

import csv
import io
import json
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.schedules.requests import Action, ScheduleConfig, change, schedule
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline_tests.ui.conftest import Deployment
from lf_export_pipeline_tests.ui.test_daemon import ask

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

DAYS = 4
TICKS = """
{ sensorOrError(sensorSelector: {
    repositoryName: "__repository__", repositoryLocationName: "lf_export_pipeline",
    sensorName: "queue_standing_exports"
  }) { ... on Sensor { sensorState { ticks(limit: 50) { skipReason } } } }
}
"""


def cells(deployment: Deployment, export_id: str) -> list[dict[str, Any]]:
    """The rows of the file of an export that is over."""
    row = deployment.ended(export_id)
    assert (row.status, row.log) == ("COMPLETED", None)
    with urllib.request.urlopen(row.url or "", timeout=60) as answer:
        return list(csv.DictReader(io.StringIO(answer.read().decode(), newline="")))


def test_the_daemon_queues_each_window_once_and_their_files_hold_each_row_once(
    deployment: Deployment,
) -> None:
    original, now = deployment.queue(), datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight - DAYS * timedelta(days=1)
    everything = cells(deployment, original)
    kept = StandingExports(deployment.instance)
    config = ScheduleConfig(
        export_id=original,
        cron="@daily",
        window="previous-day",
        since=first.isoformat(),
        lag_minutes=0,
        name="Each day",
    )
    standing = schedule(kept, deployment.rows, config, now, ExportLimits())
    try:
        begins = [first + at * timedelta(days=1) for at in range(DAYS)]
        ids = [f"{standing.id}-{begin:%Y%m%dT%H%M%SZ}" for begin in begins]
        files = [cells(deployment, export_id) for export_id in ids]
    finally:
        change(kept, Action.REMOVE, [standing.id], now)

    found = Counter(row["id"] for rows in files for row in rows)
    times = {row["id"]: datetime.fromisoformat(json.loads(row["timestamp"])) for row in everything}
    assert set(found) == {name for name, at in times.items() if first <= at < midnight}
    assert set(found.values()) == {1}
    ticks = ask(deployment, TICKS)["sensorOrError"]["sensorState"]["ticks"]
    said = " ".join(tick["skipReason"] or "" for tick in ticks)
    assert all(export_id in said for export_id in ids)
