"""A standing export with the real daemon: from its windows to files that tile time."""

import csv
import io
import json
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyarrow import parquet

from lf_export_pipeline.schedules.requests import Action, ScheduleConfig, change, schedule
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline_tests.ui.browser import Operator
from lf_export_pipeline_tests.ui.conftest import Deployment
from lf_export_pipeline_tests.ui.test_daemon import ask

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

DAYS = 4
JOBS = "/locations/lf_export_pipeline/jobs"
MADE = """ops:
  make_standing_export:
    config:
      export_id: {export}
      cron: "@daily"
      window: previous-day
      lag_minutes: 0
      since: "{since:%Y-%m-%d}"
"""
REMOVED = """ops:
  change_standing_exports:
    config:
      action: REMOVE
      ids: ["{standing}"]
"""
PARQUET = """ops:
  validate_export:
    config:
      force: true
      format: PARQUET
"""
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
    standing = schedule(kept, deployment.rows, config, now, deployment.settings)
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


@pytest.mark.browser
def test_a_standing_export_is_made_and_removed_by_clicks(
    deployment: Deployment, operator: Operator
) -> None:
    original, now = deployment.queue(name="Traces of each day"), datetime.now(UTC)
    deployment.ended(original)
    kept = StandingExports(deployment.instance)

    operator.opens(f"{JOBS}/schedule_export/playground")
    operator.sees("No errors")
    operator.replaces_editor_text(MADE.format(export=original, since=now - timedelta(days=1)))
    operator.sees("No errors")
    operator.photographs("standing_export")
    operator.presses("Launch Run")
    queued = deployment.wait_for(lambda: [each for _, each in kept.all() if each.queued])
    assert deployment.ended(queued[0].queued[0]).status == "COMPLETED"

    ((standing, _),) = kept.all()
    operator.opens(f"{JOBS}/standing_exports/playground")
    operator.sees("No errors")
    operator.replaces_editor_text(REMOVED.format(standing=standing.id))
    operator.sees("No errors")
    operator.presses("Launch Run")
    deployment.wait_for(lambda: not kept.all())


@pytest.mark.browser
def test_an_export_is_written_as_parquet_from_the_launchpad(
    deployment: Deployment, operator: Operator
) -> None:
    export_id = deployment.queue()
    first = deployment.ended(export_id)

    operator.configures_run(export_id, PARQUET)
    operator.presses("Launch Run")

    again = deployment.wait(
        export_id, lambda row: row.status == "COMPLETED" and row.finished_at != first.finished_at
    )
    with urllib.request.urlopen(again.url or "", timeout=60) as answer:
        table = parquet.read_table(io.BytesIO(answer.read()))
    assert table.num_rows
    assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
