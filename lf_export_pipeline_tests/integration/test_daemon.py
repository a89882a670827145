"""The real daemon and the real webserver: from a queued row to a run that the UI shows."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.local import dagster_processes as dagster
from lf_export_pipeline.local.ports import choose
from lf_export_pipeline.local.sample import SampleSize, generate_sample
from lf_export_pipeline.local.stack import LocalStack
from lf_export_pipeline.resources.database import LangfusePostgres
from lf_export_pipeline.resources.exports import PostgresExportRows
from lf_export_pipeline.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.daemon]

Value = TypeVar("Value")

PROJECT = "daemon-project"
DEADLINE_SECONDS = 300
POLL_SECONDS = 0.5
RUNS = """
query Runs($partition: String!) {
  runsOrError(filter: {tags: [{key: "dagster/partition", value: $partition}]}) {
    ... on Runs {
      results { runId status tags { key value } stepStats { stepKey status } }
    }
  }
}
"""
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


@dataclass(frozen=True, slots=True)
class Deployment:
    """Langfuse's rows, and the webserver's GraphQL."""

    rows: PostgresExportRows
    port: int

    def ask(self, query: str, **variables: str) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://{dagster.HOST}:{self.port}/graphql",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        data: dict[str, Any] = found["data"]
        return data

    def ended(self, export_id: str) -> ExportRow:
        """The row once it is neither queued nor in work."""

        def row_that_has_ended() -> ExportRow | None:
            row = self.rows.get(export_id)
            return row if row and row.status not in {"QUEUED", "PROCESSING"} else None

        return eventually(row_that_has_ended)

    def finished_run(self, export_id: str) -> dict[str, Any]:
        """The one run of the export once it has ended."""

        def run_that_has_ended() -> dict[str, Any] | None:
            (run,) = self.ask(RUNS, partition=export_id)["runsOrError"]["results"]
            found: dict[str, Any] = run
            return found if run["status"] in {"SUCCESS", "FAILURE"} else None

        return eventually(run_that_has_ended)


def eventually(probe: Callable[[], Value | None]) -> Value:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (found := probe()) is None:
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(POLL_SECONDS)
    return found


@pytest.fixture(scope="module")
def deployment(
    isolated_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("dagster")
    size = SampleSize(traces=500, observations_per_trace=0)
    generate_sample(isolated_stack.addresses(), PROJECT, size, until=datetime.now(UTC))
    home = dagster.prepare_home(folder)
    (port,) = choose(["webserver"], earlier={}, configured={}).values()
    environment = dagster.environment_for(isolated_stack.environment(), home)
    database = LangfusePostgres(Settings.load(isolated_stack.environment()))
    webserver, daemon = dagster.webserver_arguments(port), dagster.daemon_arguments()
    with (
        dagster.running("daemon", daemon, environment, home),
        dagster.running("webserver", webserver, environment, home) as ui,
    ):
        dagster.wait_for_ui(ui, port, home / "webserver.log")
        yield Deployment(database.exports, port)
    database.close()


def queue(deployment: Deployment, **values: Any) -> str:
    row = requested_row(
        project=PROJECT, table="traces", file_format="JSONL", user="user-ada", **values
    )
    deployment.rows.add(row)
    return row.id


def test_queued_row_becomes_a_file_by_a_run_that_the_ui_shows(deployment: Deployment) -> None:
    export_id = queue(deployment)

    row = deployment.ended(export_id)

    assert (row.status, row.log) == ("COMPLETED", None)
    with urllib.request.urlopen(row.url or "", timeout=60) as answer:
        assert len(answer.read().splitlines()) == 500
    run = deployment.finished_run(export_id)
    assert run["status"] == "SUCCESS"
    assert {step["stepKey"] for step in run["stepStats"]} == {
        "validate_export",
        "resolve_filters",
        "stream_chunks",
        "serialize_chunk[00000]",
        "upload_file",
        "notify_requester",
    }
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert (tags["lf_export/project"], tags["lf_export/attempt"]) == (PROJECT, "1")
    events = deployment.ask(MATERIALIZATIONS, run=run["runId"])["logsForRun"]["events"]
    (asset,) = [event for event in events if event]
    assert asset["assetKey"]["path"] == ["batch_exports", "traces"]
    assert {"rows", "bytes", "object_key", "preview"} <= {
        entry["label"] for entry in asset["metadataEntries"]
    }


def test_export_that_cannot_be_made_is_failed_with_its_sentence(deployment: Deployment) -> None:
    unknown = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
    export_id = queue(deployment, filters=[unknown])

    row = deployment.ended(export_id)

    assert row.status == "FAILED"
    assert "colour" in (row.log or "")
    assert deployment.finished_run(export_id)["status"] == "FAILURE"


def test_sensors_run_without_being_switched_on(deployment: Deployment) -> None:
    sensors = deployment.ask(SENSORS)["sensorsOrError"]["results"]

    assert {sensor["name"] for sensor in sensors} >= {"queued_exports", "runs_that_failed"}
    assert {sensor["sensorState"]["status"] for sensor in sensors} == {"RUNNING"}
