"""The real webserver and daemon beside the stack, and a browser in front of them."""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import pytest

from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.ui.browser import (
    NoBrowserError,
    Operator,
    chromium,
    install_browser,
)

PROJECT = "shop-assistant"
SIZE = SampleSize(traces=3_000, observations_per_trace=0)
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
DEADLINE_SECONDS = 300
POLL_SECONDS = 0.5
STEPS = (
    "validate_export",
    "resolve_filters",
    "stream_chunks",
    "serialize_chunk[00000]",
    "serialize_chunk[00001]",
    "upload_file",
    "notify_requester",
)
Found = TypeVar("Found")
TALL = (1360, 1300)  # else the list of steps is below the fold
OPERATOR = pytest.StashKey[Operator]()


@dataclass(frozen=True, slots=True)
class Deployment:
    """What stands behind the UI.

    Attributes:
        spool: The folder of this deployment's part files, which is there once a run has begun.
        address: Of the webserver.
        settings: Of the stack below it.
    """

    rows: PostgresBatchExportRepository
    instance: dg.DagsterInstance
    spool: Path
    address: str
    settings: Settings

    def queue(self, **values: Any) -> str:
        """The id of an export that somebody has just asked for."""
        row = requested_row(
            project=PROJECT, table="traces", file_format="CSV", user="user-ada", **values
        )
        self.rows.add(row)
        return row.id

    def wait(self, export_id: str, is_reached: Callable[[ExportRow], bool]) -> ExportRow:
        """The row of an export once it is as it should be, and none of its runs goes on."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            row = self.rows.get(export_id)
            runs = self.runs(export_id)
            if row and is_reached(row) and runs and all(run.is_finished for run in runs):
                return row
            assert time.monotonic() < deadline, f"{row} {runs}"
            time.sleep(POLL_SECONDS)

    def wait_for(self, what: Callable[[], Found]) -> Found:
        """What a look finds, once it finds something."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := what()):
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)
        return found

    def ended(self, export_id: str) -> ExportRow:
        """The row of an export that is over."""
        return self.wait(export_id, lambda row: row.status in ENDED)

    def runs(self, export_id: str) -> list[dg.DagsterRun]:
        """Its runs, newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: export_id})))


@pytest.fixture(scope="session")
def _browser_is_installed() -> None:
    try:
        install_browser()
    except NoBrowserError as error:
        pytest.skip(f"no browser: {error}")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; LF_EXPORT_SCREENSHOTS names a folder that keeps them."""
    kept = os.environ.get("LF_EXPORT_SCREENSHOTS")
    return Path(kept) if kept else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def deployment(
    _browser_is_installed: None,
    isolated_stack: LocalStack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    sizes = {"LF_EXPORT_CHUNK_TARGET_MIB": "1", "LF_EXPORT_STEP_TARGET_MIB": "1"}
    with deployed(isolated_stack, tmp_path_factory.mktemp("dagster"), sizes) as found:
        yield found


@contextmanager
def deployed(stack: LocalStack, folder: Path, changes: Mapping[str, str]) -> Iterator[Deployment]:
    """Webserver and daemon as `docs/operating.md` starts them, on records of their own.

    Args:
        stack: Without other traces than the sample's.
        folder: For what Dagster keeps.
        changes: Settings that differ from those of the stack.
    """
    generate_sample(stack.addresses(), PROJECT, SIZE, until=datetime.now(UTC))
    home = dagster.prepare_home(folder)
    spool = home / "spool"
    settings = stack.environment() | {"LF_EXPORT_SPOOL": str(spool), **changes}
    environment = dagster.environment_for(settings, home)
    database = LangfusePostgres(Settings.load(settings))
    with (
        dagster.daemon_and_ui(environment, home) as (_, address),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in (name for name in environment if name.startswith("DAGSTER_")):
            patch.setenv(name, environment[name])
        with dg.DagsterInstance.get() as instance:
            yield Deployment(database.exports, instance, spool, address, Settings.load(settings))
    database.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails leaves what its page looked like beside the other pictures."""
    report = yield
    operator = item.stash.get(OPERATOR, None)
    if report.failed and operator is not None and call.when == "call":
        operator.leaves_evidence(f"failed-{item.name}")
        report.sections.append(("page", f"{operator.pictures}/failed-{item.name}.png"))
    return report


@pytest.fixture
def operator(
    request: pytest.FixtureRequest,
    _browser_is_installed: None,
    deployment: Deployment,
    pictures: Path,
) -> Iterator[Operator]:
    with chromium() as driver:
        found = Operator(driver, deployment.address, pictures)
        request.node.stash[OPERATOR] = found
        yield found
