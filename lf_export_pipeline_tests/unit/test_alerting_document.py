"""The example of docs/alerting.md, as it stands there."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.conftest import REPOSITORY
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import export_row


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the example defines."""
    text = (REPOSITORY / "docs" / "alerting.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"__name__": "our_exports"}
    exec(compile(code, "our_exports.py", "exec"), names)  # our own document
    return names


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What has arrived at the webhook."""
    texts: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            texts.append(json.loads(self.rfile.read(length))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield texts
    server.shutdown()
    thread.join()
    server.server_close()


def test_example_loads_beside_the_pipeline(example: dict[str, Any]) -> None:
    dg.Definitions.validate_loadable(example["defs"])

    found = [name for name, each in example.items() if isinstance(each, dg.Definitions)]
    assert found == ["defs"], "Dagster loads no module with two"
    names = {sensor.name for sensor in example["defs"].get_repository_def().sensor_defs}
    assert {"mail_failed_runs", "slack_export_health", "reconcile_exports"} <= names


def test_example_tells_when_exports_stop_to_flow_and_when_they_flow_again(
    example: dict[str, Any], posted: list[str]
) -> None:
    rows = FakeBatchExportRepository(export_row(status="FAILED"))
    waiting = OperatingSettings(lf_export_queue_wait_warning_seconds=1)
    stuck = FakeBatchExportRepository(
        export_row(updated_at=export_row().updated_at.replace(year=2020))
    )
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:
        for now in (rows, stuck, stuck, rows):
            context = dg.build_sensor_context(
                instance, cursor, resources={"export_rows": now, "settings": waiting}
            )
            example["slack_export_health"](context)
            cursor = context.cursor

    assert posted == ["Exports: oldest_queued_export.", "Exports flow again."]
