"""The checks see what is wrong with a lake, and nothing where nothing is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from lf_export_pipeline.core.stored_objects import StoredObject
from lf_export_pipeline.lake.inspection import columns_found, not_erased, rows_found, unpaired
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.opening import open_bucket
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline_tests.integration.lake.interrupted import InterruptedBucket
from lf_export_pipeline_tests.integration.lake.lake_world import DAYS, LakeWorld, moment

pytestmark = pytest.mark.services

FIRST, SECOND, THIRD, *_ = DAYS
TRACES = LAKE_TABLES["traces"]


@pytest.fixture
def healed(world: LakeWorld) -> LakeWorld:
    for day in (FIRST, SECOND):
        world.add("traces", {"id": f"a {day}", "at": moment(day)})
    world.heal("traces")
    return world


def test_a_sound_lake_has_nothing_wrong(healed: LakeWorld) -> None:
    lake = healed.lake()
    found = rows_found(lake.observer, lake.manifests, TRACES, DAYS)
    assert (found.rows, found.missing, found.behind, found.wrong) == (2, [], [], [])
    pairs = unpaired(lake.objects, lake.manifests, TRACES)
    assert (pairs.objects, pairs.manifests) == ([], [])


def test_days_that_are_missing_behind_or_wrong_are_told_apart(healed: LakeWorld) -> None:
    healed.add("traces", {"id": "late", "at": moment(FIRST)})
    healed.add("traces", {"id": "new", "at": moment(THIRD)})
    lake, second = healed.lake(), Place("traces", healed.project, SECOND)
    known = lake.manifests.read(second)
    assert known is not None
    lake.manifests.write(second, known.model_copy(update={"rows": 7}))
    found = rows_found(lake.observer, lake.manifests, TRACES, DAYS)
    assert [place.day for place in found.behind] == [FIRST]
    assert [place.day for place in found.missing] == [THIRD]
    assert [place.day for place in found.wrong] == [SECOND]


def test_a_day_of_which_only_a_neighbour_was_written_is_missing(world: LakeWorld) -> None:
    for day in (FIRST, SECOND):
        world.add("traces", {"id": "a", "at": moment(day), "event_ts": moment(day)})
    world.heal("traces", [FIRST])
    lake = world.lake()
    found = rows_found(lake.observer, lake.manifests, TRACES, DAYS)
    assert [place.day for place in found.missing] == [SECOND]
    assert (found.behind, found.wrong) == ([], [])


def test_objects_and_manifests_without_the_other_are_found(healed: LakeWorld) -> None:
    bucket, keys = open_bucket(healed.settings)
    first, second, third = (Place("traces", healed.project, day) for day in DAYS[:3])
    bucket.delete(keys.manifest(first))
    bucket.delete(keys.object(second))
    bucket.upload(keys.object(third), BytesIO(b"x"), "text/plain", 1)
    lake = healed.lake()
    found = unpaired(lake.objects, lake.manifests, TRACES)
    assert ({*found.objects}, found.manifests) == ({first, third}, [second])


@pytest.mark.parametrize("between", ["objects", "manifests"])
def test_what_a_run_writes_while_it_is_looked_is_no_fault(healed: LakeWorld, between: str) -> None:
    bucket, _ = open_bucket(healed.settings)

    class Busy(InterruptedBucket):
        def listed(self, prefix: str) -> Iterator[StoredObject]:
            found = [*super().listed(prefix)]
            if ("_manifests" in prefix) == (between == "manifests"):
                for day in (FIRST, THIRD):
                    healed.add("traces", {"id": "late", "at": moment(day)})
                healed.run(f"DELETE FROM traces WHERE {{here}} AND id = 'a {SECOND}'")
                healed.heal("traces")
            return iter(found)

    lake = healed.lake(Busy(bucket, lambda: None))
    found = unpaired(lake.objects, lake.manifests, TRACES)
    assert (found.objects, found.manifests) == ([], [])


@pytest.mark.parametrize("table", list(LAKE_TABLES))
def test_the_columns_of_todays_langfuse_are_known(world: LakeWorld, table: str) -> None:
    found = columns_found(world.lake().observer, LAKE_TABLES[table])
    assert (found.added, found.dropped) == ([], [])


def test_a_column_that_langfuse_adds_is_told(world: LakeWorld) -> None:
    world.client.command("ALTER TABLE scores ADD COLUMN novel String")
    try:
        found = columns_found(world.lake().observer, LAKE_TABLES["scores"])
        assert found.added == ["scores.novel"]
    finally:
        world.client.command("ALTER TABLE scores DROP COLUMN novel")


def test_a_column_that_langfuse_drops_is_null_and_told(world: LakeWorld) -> None:
    world.client.command("ALTER TABLE scores DROP COLUMN queue_id")
    try:
        world.add("scores", {"id": "a"})
        world.heal("scores")
        assert world.rows("scores", FIRST)[0]["queue_id"] is None
        manifest = world.manifest("scores", FIRST)
        assert manifest is not None
        assert manifest.columns_missing == ("queue_id",)
        found = columns_found(world.lake().observer, LAKE_TABLES["scores"])
        assert found.dropped == ["scores.queue_id"]
    finally:
        world.client.command("ALTER TABLE scores ADD COLUMN queue_id Nullable(String)")


def test_traces_that_should_have_been_erased_are_told(healed: LakeWorld) -> None:
    ago = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    for number, trace in enumerate((f"a {FIRST}", "gone already")):
        healed.add_to_postgres(
            "pending_deletions",
            {
                "id": f"{number}-{healed.project}",
                "object": "trace",
                "object_id": trace,
                "created_at": ago,
            },
        )
    assert not_erased(healed.lake().observer, TRACES, 90) == [(healed.project, f"a {FIRST}")]
    healed.run(f"DELETE FROM traces WHERE {{here}} AND id = 'a {FIRST}'")
    assert not_erased(healed.lake().observer, TRACES, 90) == []
