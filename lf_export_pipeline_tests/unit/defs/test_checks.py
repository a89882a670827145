"""Do exports flow?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS
from lf_export_pipeline.defs.checks import (
    CHECKS,
    EXPORTS_ASSET,
    FAILED_LATELY,
    OLDEST_QUEUED,
    export_health_sensor,
    health_of,
)
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

SETTINGS = OperatingSettings(lf_export_queue_wait_warning_seconds=900)
MINUTE = timedelta(minutes=1)


def ago(minutes: int) -> datetime:
    return datetime.now(UTC) - minutes * MINUTE


def outcome(*rows: object, settings: OperatingSettings = SETTINGS) -> dict[str, bool]:
    fake = FakeBatchExportRepository(*rows)  # type: ignore[arg-type]
    with dg.DagsterInstance.ephemeral() as instance:
        results = health_of(instance, fake, settings, datetime.now(UTC))
    return {str(result.check_name): result.passed for result in results}


@pytest.mark.parametrize(("minutes", "passed"), [(14, True), (16, False)])
def test_queue_is_unwell_when_the_oldest_waits_too_long(minutes: int, passed: bool) -> None:
    rows = [export_row("old", updated_at=ago(minutes)), export_row("new")]

    assert outcome(*rows)[OLDEST_QUEUED] is passed


def test_no_number_of_older_exports_hides_the_one_that_waits_longest() -> None:
    older = [export_row(f"{at}", created_at=ago(600)) for at in range(SEARCH_MAX_ROWS)]

    assert not outcome(*older, export_row("old", updated_at=ago(16)))[OLDEST_QUEUED]


def test_export_that_was_queued_again_waits_since_then() -> None:
    assert outcome(export_row(created_at=ago(600)))[OLDEST_QUEUED]


@pytest.mark.parametrize(("minutes", "passed"), [(59, False), (61, True)])
def test_failures_count_for_an_hour(minutes: int, passed: bool) -> None:
    assert outcome(export_row(status="FAILED", finished_at=ago(minutes)))[FAILED_LATELY] is passed


def test_failures_count_from_the_number_that_is_set() -> None:
    failed = [export_row(name, status="FAILED", finished_at=ago(1)) for name in "ab"]

    assert outcome(*failed, settings=OperatingSettings(lf_export_failures_warning=3))[FAILED_LATELY]


@pytest.mark.parametrize(
    ("broken", "counted"),
    [
        ({"row": export_row(format="XLSX")}, (0, 1)),
        ({"row": export_row(created_at=ago(60 * 24 * 31))}, (0, 1)),
        ({"row": export_row(), "refuses": PermanentError("The bucket refuses it.")}, (1, 0)),
        ({"row": export_row(), "refuses": ZeroDivisionError()}, (1, 0)),
    ],
)
def test_what_a_user_cannot_have_is_counted_apart_from_what_is_broken(
    broken: dict[str, Any], counted: tuple[int, int]
) -> None:
    world = World(broken["row"])
    world.files.failures = [broken["refuses"]] if "refuses" in broken else []
    with dg.DagsterInstance.ephemeral() as instance:
        world.run(instance)
        assert world.state.status == "FAILED"
        _, check = health_of(instance, world.rows, SETTINGS, datetime.now(UTC))

    assert (check.metadata["failed"].value, check.metadata["refused"].value) == counted
    assert check.passed is (counted[0] == 0)


def test_nothing_at_all_is_well() -> None:
    assert outcome() == {OLDEST_QUEUED: True, FAILED_LATELY: True}


def tick(rows: FakeBatchExportRepository, cursor: str | None) -> dg.SensorResult:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance, cursor, resources={"export_rows": rows, "settings": SETTINGS}
        )
        result = export_health_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def told(result: dg.SensorResult) -> list[dg.AssetCheckEvaluation]:
    return [event for event in result.asset_events if isinstance(event, dg.AssetCheckEvaluation)]


def test_sensor_tells_what_has_changed_and_nothing_twice() -> None:
    rows = FakeBatchExportRepository()

    first = tick(rows, None)
    second = tick(rows, first.cursor)
    rows.add(export_row("bad", status="FAILED", finished_at=ago(1)))
    third = tick(rows, first.cursor)

    assert [event.passed for event in told(first)] == [True, True]
    assert told(second) == []
    changed = {event.check_name: event for event in told(third)}
    assert not changed[FAILED_LATELY].passed
    assert changed[FAILED_LATELY].metadata["exports"].value == "bad"


@pytest.mark.parametrize(("name", "passed"), [(OLDEST_QUEUED, True), (FAILED_LATELY, False)])
def test_each_check_can_be_executed_by_hand(name: str, passed: bool) -> None:
    rows = FakeBatchExportRepository(export_row(status="FAILED", finished_at=ago(1)))
    definitions = dg.Definitions(
        assets=[EXPORTS_ASSET],
        asset_checks=CHECKS,
        resources={"export_rows": rows, "settings": SETTINGS},
    )
    one = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("batch_exports"), name))
    job = dg.define_asset_job("checks_one", selection=one).resolve(
        asset_graph=definitions.resolve_asset_graph()
    )

    result = job.execute_in_process(
        resources={"export_rows": rows, "settings": SETTINGS, "io_manager": dg.mem_io_manager}
    )

    found = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert found == {name: passed}
