"""What Dagster sees: days that have changed are asked for, once, and a run writes no others."""

from collections.abc import Iterator

import dagster as dg
import pytest

from lf_export_pipeline.adapters.object_folder import ObjectFolder
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.stored_objects import UploadedObject
from lf_export_pipeline.defs.lake.written import ANEW_TAG
from lf_export_pipeline_tests.integration.lake.conftest import NewWorld
from lf_export_pipeline_tests.integration.lake.dagster_world import DagsterWorld
from lf_export_pipeline_tests.integration.lake.lake_world import DAYS, LakeWorld, ids, moment

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
]

FIRST, SECOND, THIRD, *_ = DAYS
NOON = "2025-03-01T12:00:00"


@pytest.fixture
def world(new_world: NewWorld) -> LakeWorld:
    """Its lake begins with the first of the days, and has traces and comments."""
    return new_world(start=FIRST, tables="traces,comments")


@pytest.fixture
def dagster(world: LakeWorld) -> Iterator[DagsterWorld]:
    with dg.DagsterInstance.ephemeral() as instance:
        found = DagsterWorld(world, instance)
        found.requested()  # the first tick
        yield found


def settle(dagster: DagsterWorld) -> dict[str, set[str | None]]:
    """Heals what is asked for; what that was."""
    dagster.observe()
    asked = dagster.requested()
    for table, days in asked.items():
        assert dagster.heal(table, days).success
    return asked


def test_new_days_are_asked_for_once(dagster: DagsterWorld, world: LakeWorld) -> None:
    world.add("traces", {"id": "a", "at": moment(SECOND)})
    dagster.observe()
    assert dagster.requested() == {"traces": {*DAYS}, "comments": {None}}
    assert dagster.requested() == {}


def test_what_has_not_changed_is_not_asked_for_again(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    world.add("traces", {"id": "a", "at": moment(SECOND)})
    settle(dagster)
    before = world.files()
    world.run("OPTIMIZE TABLE traces FINAL")
    assert settle(dagster) == {}
    assert world.files() == before
    assert ids(world.rows("traces", SECOND)) == ["a"]


def test_exactly_the_days_that_have_changed_are_asked_for(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    for day in DAYS:
        world.add("traces", {"id": f"a {day}", "at": moment(day)})
        world.add("traces", {"id": f"b {day}", "at": moment(day)})
    world.add_to_postgres(
        "comments",
        {"id": f"c-{world.project}", "object_type": "TRACE", "object_id": "t", "content": "x"},
    )
    settle(dagster)
    world.run(f"DELETE FROM traces WHERE {{here}} AND id = 'a {SECOND}'")
    world.add("traces", {"id": "late", "at": moment(DAYS[8]), "event_ts": moment("2025-01-01")})
    assert settle(dagster) == {"traces": {SECOND, DAYS[8]}}
    assert ids(world.rows("traces", SECOND)) == [f"b {SECOND}"]
    assert ids(world.rows("traces", DAYS[8])) == [f"a {DAYS[8]}", f"b {DAYS[8]}", "late"]
    world.run_on_postgres("DELETE FROM comments WHERE project_id = %s", world.project)
    assert settle(dagster) == {"comments": {None}}


def test_a_change_is_not_forgotten_that_is_observed_while_the_day_is_written(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    """Two things happen within one tick: the run of an earlier change ends, and a new one shows."""
    world.add("traces", {"id": "a", "at": moment(SECOND)})
    dagster.observe()
    assert SECOND in dagster.requested()["traces"]
    dagster.heal("traces", DAYS)
    world.add("traces", {"id": "b", "at": moment(SECOND)})
    dagster.observe()
    assert dagster.requested() == {"traces": {SECOND}}
    assert dagster.requested() == {}


def test_days_that_were_observed_before_the_sensor_was_there_are_asked_for(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    world.add("traces", {"id": "a", "at": moment(SECOND)})
    dagster.observe()
    dagster.cursor = None
    assert dagster.requested()["traces"] == {*DAYS}
    assert dagster.requested() == {}


def test_a_materialization_says_rows_bytes_and_projects_of_its_day(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    world.add("traces", {"id": "a", "at": moment(FIRST)}, {"id": "b", "at": moment(FIRST)})
    done = dagster.heal("traces", [FIRST, SECOND])
    events = {
        event.partition: event.step_materialization_data.materialization.metadata
        for event in done.get_asset_materialization_events()
    }
    values = {day: {name: m.value for name, m in of.items()} for day, of in events.items()}
    assert {day: of["dagster/row_count"] for day, of in values.items()} == {FIRST: 2, SECOND: 0}
    manifest = world.manifest("traces", FIRST)
    assert manifest is not None
    assert (values[FIRST]["bytes_written"], values[FIRST]["projects"]) == (manifest.bytes, 1)


def test_a_run_with_the_tag_writes_also_what_has_not_changed(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    world.add("traces", {"id": "a", "at": moment(FIRST)})
    dagster.heal("traces", [FIRST])
    world.run("ALTER TABLE traces UPDATE input = 'redacted' WHERE {here}")
    dagster.heal("traces", [FIRST])
    assert [row["input"] for row in world.rows("traces", FIRST)] == ["in"]
    dagster.heal("traces", [FIRST], tags_added={ANEW_TAG: "true"})
    assert [row["input"] for row in world.rows("traces", FIRST)] == ["redacted"]


def test_a_day_that_fails_keeps_no_other_from_being_written(
    dagster: DagsterWorld, world: LakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in DAYS[:3]:
        world.add("traces", {"id": f"a {day}", "at": moment(day)})
    written: list[str] = []
    fails = [True]

    def upload(*arguments: object) -> UploadedObject:
        written.append(str(arguments[1]))
        if len(fails) and len([key for key in written if key.endswith(".parquet")]) == 2:
            fails.clear()
            raise TransientError("The bucket's service did not answer.")
        return original(*arguments)  # type: ignore[arg-type]

    original = ObjectFolder.upload
    monkeypatch.setattr(ObjectFolder, "upload", upload)
    assert not dagster.heal("traces", DAYS[:3], raise_on_error=False).success
    assert world.table("traces", FIRST) is not None
    assert world.table("traces", SECOND) is None
    assert world.table("traces", THIRD) is not None
    written.clear()
    assert dagster.heal("traces", DAYS[:3]).success
    objects = [key for key in written if key.endswith(".parquet")]
    assert [key.split("day=")[1][:10] for key in objects] == [SECOND]


def test_a_bucket_that_is_away_is_not_tried_for_each_day(
    dagster: DagsterWorld, world: LakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in DAYS[:5]:
        world.add("traces", {"id": f"a {day}", "at": moment(day)})
    tries: list[object] = []

    def upload(*arguments: object) -> UploadedObject:
        tries.append(arguments)
        raise TransientError("The bucket's service did not answer.")

    monkeypatch.setattr(ObjectFolder, "upload", upload)
    assert not dagster.heal("traces", DAYS[:5], raise_on_error=False).success
    assert len(tries) == 3


def test_a_run_says_whether_its_rows_are_right(dagster: DagsterWorld, world: LakeWorld) -> None:
    world.add("traces", {"id": "a", "at": moment(FIRST)}, {"id": "b", "at": moment(FIRST)})
    done = dagster.heal("traces", [FIRST])
    found = {check.check_name: check for check in done.get_asset_check_evaluations()}
    assert (found["rows"].passed, found["rows"].metadata["rows"].value) == (True, 2)
    assert found["objects"].passed
    assert found["columns"].passed


def test_definitions_have_checks_of_their_own_time(dagster: DagsterWorld) -> None:
    names = {key.name for key in dagster.defs.resolve_asset_graph().asset_check_keys}
    assert names == {"rows", "days", "objects", "columns", "erased", "freshness_check"}


def test_a_day_that_was_written_beside_another_is_looked_at_at_night(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    """A replica that lags may have answered for it, and its own version says nothing of that."""
    world.add("traces", {"id": "a", "at": moment(FIRST)}, {"id": "b", "at": moment(FIRST)})
    settle(dagster)
    world.add("traces", {"id": "a", "at": moment(SECOND), "event_ts": moment(SECOND)})
    dagster.observe()
    assert dagster.requested() == {"traces": {SECOND}}
    dagster.heal("traces", [SECOND])
    assert ids(world.rows("traces", FIRST)) == ["b"]
    assert settle(dagster) == {"traces": {FIRST}}
    assert settle(dagster) == {}


def test_a_day_that_a_run_has_read_from_a_server_that_lags_is_asked_for_again_at_night(
    dagster: DagsterWorld, world: LakeWorld
) -> None:
    """Without another change Dagster would be told nothing new, and the rows would never come."""
    late = {"id": "late", "at": moment(FIRST)}
    comment = {"object_type": "TRACE", "object_id": "t", "content": "x", "id": world.project}
    world.add("traces", {"id": "a", "at": moment(FIRST)})
    settle(dagster)
    world.add("traces", late)
    world.add_to_postgres("comments", comment)
    dagster.observe()
    assert dagster.requested() == {"traces": {FIRST}, "comments": {None}}
    world.run("DELETE FROM traces WHERE {here} AND id = 'late'")
    world.run_on_postgres("DELETE FROM comments WHERE id = %s", world.project)
    dagster.heal("traces", [FIRST])
    dagster.heal("comments", [None])
    world.add("traces", late)
    world.add_to_postgres("comments", comment)
    assert settle(dagster) == {"traces": {FIRST}, "comments": {None}}
    assert ids(world.rows("traces", FIRST)) == ["a", "late"]
    assert len(world.rows("comments", "")) == 1
    dagster.observe()
    dagster.requested()
    assert settle(dagster) == {}
