"""The real daemon and the real webserver: from a queued row to a run that the UI shows."""

import csv
import io
import json
import urllib.request
from typing import Any

import pytest

from lf_export_pipeline_tests.ui.browser import Operator
from lf_export_pipeline_tests.ui.conftest import PROJECT, SIZE, STEPS, TALL, Deployment

pytestmark = [pytest.mark.services, pytest.mark.daemon]

MATERIALIZATIONS = """
query Materializations($run: ID!) {
  logsForRun(runId: $run) {
    ... on EventConnection {
      events { ... on MaterializationEvent { assetKey { path } metadataEntries { label } } }
    }
  }
}
"""
SENSORS = """
{ sensorsOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "lf_export_pipeline"
  }) { ... on Sensors { results { name sensorState { status } } } }
}
"""


def ask(deployment: Deployment, query: str, **variables: str) -> dict[str, Any]:
    """What the webserver's GraphQL answers."""
    request = urllib.request.Request(
        f"{deployment.address}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    assert "errors" not in found, found
    data: dict[str, Any] = found["data"]
    return data


@pytest.fixture(scope="module")
def export_id(deployment: Deployment) -> str:
    """An export of all traces of the project that has ended."""
    queued = deployment.queue()
    deployment.ended(queued)
    return queued


def test_queued_row_becomes_a_file_by_a_run_that_the_ui_shows(
    deployment: Deployment, export_id: str
) -> None:
    row = deployment.ended(export_id)

    assert (row.status, row.log) == ("COMPLETED", None)
    with urllib.request.urlopen(row.url or "", timeout=60) as answer:
        rows = list(csv.DictReader(io.StringIO(answer.read().decode(), newline="")))
    assert len({row["id"] for row in rows}) == len(rows) == SIZE.traces
    (run,) = deployment.runs(export_id)
    assert (run.tags["lf_export/project"], run.tags["lf_export/attempt"]) == (PROJECT, "1")
    events = ask(deployment, MATERIALIZATIONS, run=run.run_id)["logsForRun"]["events"]
    (asset,) = [event for event in events if event]
    assert asset["assetKey"]["path"] == ["batch_exports", "traces"]
    assert {"rows", "bytes", "object_key", "preview"} <= {
        entry["label"] for entry in asset["metadataEntries"]
    }


@pytest.mark.browser
def test_run_page_shows_each_step_of_a_run(
    deployment: Deployment, export_id: str, operator: Operator
) -> None:
    (run,) = deployment.runs(export_id)

    operator.driver.set_window_size(*TALL)
    operator.opens(f"/runs/{run.run_id}?logs=chunks")
    operator.sees(export_id)
    operator.clicks("//*[text()[contains(., 'Succeeded (')]]")
    for step in STEPS:
        operator.sees(step)


def test_export_that_cannot_be_made_is_failed_with_its_sentence(deployment: Deployment) -> None:
    unknown = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
    export_id = deployment.queue(filters=[unknown])

    row = deployment.ended(export_id)

    assert row.status == "FAILED"
    assert "colour" in (row.log or "")
    assert [run.is_failure for run in deployment.runs(export_id)] == [True]


@pytest.mark.long
def test_export_that_is_queued_again_gets_another_run(deployment: Deployment) -> None:
    unknown = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
    export_id = deployment.queue(filters=[unknown])
    first = deployment.ended(export_id)

    assert deployment.rows.requeue(export_id)

    again = deployment.wait(
        export_id, lambda row: row.status == "FAILED" and row.finished_at != first.finished_at
    )
    assert "colour" in (again.log or "")
    assert len(deployment.runs(export_id)) == 2


def test_sensors_run_without_being_switched_on(deployment: Deployment) -> None:
    sensors = ask(deployment, SENSORS)["sensorsOrError"]["results"]

    assert "reconcile_exports" in {sensor["name"] for sensor in sensors}
    assert {sensor["sensorState"]["status"] for sensor in sensors} == {"RUNNING"}
