"""Every state is right in whatever time zone each of the servers and this process is."""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
import sqlalchemy as sa

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import owner_of
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.decision import RETRY_MISSED_AFTER
from lf_export_pipeline.lifecycle.launch import requests_for
from lf_export_pipeline.lifecycle.retries import ASKED_AGAIN_TAG, WILL_RETRY_TAG
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.ticks import tick

pytestmark = pytest.mark.services

JOB = batch_export_job()
HOUR = timedelta(hours=1)
# Other tests may have left rows that wait as well.
OPERATORS = OperatingSettings(lf_export_starts_per_tick=1_000, lf_export_max_runs=1_000)
ZONES = ["Asia/Kolkata", "America/New_York"]
MORE_ZONES = ["Pacific/Chatham", "Asia/Kathmandu"]
WHERE = ["dagster", "langfuse", "process"]
PLACES = [
    *(pytest.param(where, zone, id=f"{where}-{zone}") for where in WHERE for zone in ZONES),
    *(
        pytest.param(where, zone, id=f"{where}-{zone}", marks=pytest.mark.long)
        for where in WHERE
        for zone in MORE_ZONES
    ),
]

EVERYWHERE = pytest.mark.parametrize(("where", "zone"), PLACES)
POSTGRES_NAMES = ("USER", "PASSWORD", "HOST", "PORT", "DB")


@dataclass(frozen=True, slots=True)
class Place:
    """Dagster's records and Langfuse's rows, one of them elsewhere."""

    instance: dg.DagsterInstance
    rows: PostgresBatchExportRepository

    def row(self, **values: object) -> ExportRow:
        """A new row of its own."""
        new = export_row(f"zoned-{secrets.token_hex(8)}", project_id="zoned", **values)
        self.rows.add(new)
        return self.now(new)

    def now(self, row: ExportRow) -> ExportRow:
        found = self.rows.get(row.id)
        assert found is not None
        return found

    def run(self, row: ExportRow, *, begins: bool = False, **tags: str) -> dg.DagsterRun:
        """A run as the sensor makes it."""
        (request,) = requests_for([row], {})
        tags = {**request.tags, **tags}
        run = self.instance.create_run_for_job(JOB, tags=tags, run_id=owner_of(row))
        if begins:
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
            self.instance.report_dagster_event(event, run.run_id)
        return run

    def tick(self, later: timedelta = timedelta(0)) -> list[str | None]:
        """Whose runs begin at a tick of the sensor that comes so much later."""
        result = tick(self.instance, self.rows, OPERATORS, later=later)
        begun = [one.partition_key for one in result.run_requests or ()]
        return [each for each in begun if (each or "").startswith("zoned-")]


@pytest.fixture
def place(
    where: str, zone: str, stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    environment = stack.environment()
    monkeypatch.setenv("TZ", zone if where == "process" else "UTC")
    time.tzset()
    url = dagster_url(environment, zone if where == "dagster" else "UTC")
    storage = {"storage": {"postgres": {"postgres_url": url}}, "telemetry": {"enabled": False}}
    monkeypatch.setenv("PGTZ", zone if where == "langfuse" else "UTC")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), overrides=storage) as instance,
        closing(LangfusePostgres(Settings.load(environment))) as database,
    ):
        yield Place(instance, database.exports)
        with database.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM batch_exports WHERE project_id = 'zoned'"))
    monkeypatch.undo()
    time.tzset()


def dagster_url(environment: Mapping[str, str], zone: str) -> str:
    of = {name: quote(environment[f"DAGSTER_POSTGRES_{name}"], safe="") for name in POSTGRES_NAMES}
    server = "{USER}:{PASSWORD}@{HOST}:{PORT}/{DB}".format(**of)
    return f"postgresql+psycopg2://{server}?options={quote(f'-c timezone={zone}')}"


@EVERYWHERE
def test_failed_export_that_is_queued_again_gets_a_run_and_is_not_failed_without_one(
    place: Place,
) -> None:
    row = place.row()
    place.instance.report_run_failed(place.run(row, begins=True))
    assert place.tick() == []
    assert place.now(row).status == "FAILED"
    assert place.rows.requeue(row.id)

    again = place.now(row)

    assert place.tick() == [row.id]
    assert place.now(row) == again


@EVERYWHERE
def test_export_whose_run_was_terminated_before_it_began_is_cancelled_and_not_asked_for_again(
    place: Place,
) -> None:
    row = place.row()
    place.instance.report_run_canceled(place.run(row))

    assert place.tick() == []

    assert place.now(row).status == "CANCELLED"


@EVERYWHERE
def test_row_in_work_is_failed_as_soon_as_its_run_has_ended_and_not_before(place: Place) -> None:
    row = place.row()
    run = place.run(row, begins=True)
    assert place.rows.start(row.id, run.run_id)

    place.tick()
    assert place.now(row).status == "PROCESSING"
    place.instance.report_run_failed(run)
    place.tick()

    assert place.now(row).status == "FAILED"


@EVERYWHERE
def test_forgotten_retry_is_asked_for(place: Place) -> None:
    run = place.run(place.row(), begins=True, **{WILL_RETRY_TAG: "true"})
    place.instance.report_run_failed(run)

    place.tick()
    place.tick(later=RETRY_MISSED_AFTER * 2)

    found = place.instance.get_run_by_id(run.run_id)
    assert found is not None
    assert ASKED_AGAIN_TAG in found.tags


@EVERYWHERE
def test_instants_of_a_row_are_those_of_this_moment(place: Place) -> None:
    row, now = place.row(), datetime.now(UTC)
    place.rows.start(row.id, "run")
    place.rows.complete(
        row.id, "run", "https://x", finished_at=now, expires_at=now + HOUR, log=None
    )

    found = place.now(row)

    assert abs(found.updated_at - now) < timedelta(minutes=1)
    assert found.finished_at is not None
    assert abs(found.finished_at - now) < timedelta(milliseconds=1)
    assert found.created_at == row.created_at
