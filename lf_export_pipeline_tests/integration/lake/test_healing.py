"""The lake follows the tables: what is written, what is left, and in which order."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import ByteSource, RowReader
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.stored_objects import UploadedObject
from lf_export_pipeline.lake.healing import Action
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.opening import open_bucket, open_lake
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline_tests.integration.lake.conftest import NewWorld
from lf_export_pipeline_tests.integration.lake.interrupted import (
    BeforeCall,
    InterruptedBucket,
    InterruptedReader,
    KilledError,
)
from lf_export_pipeline_tests.integration.lake.lake_world import DAYS, NOW, LakeWorld, ids, moment

pytestmark = pytest.mark.services

FIRST, SECOND, THIRD, *_ = DAYS
WRITTEN, EMPTIED = Action.WRITTEN, Action.EMPTIED


def fill(world: LakeWorld) -> None:
    for day in (FIRST, SECOND):
        for name in ("b", "a"):
            world.add("traces", {"id": f"{name} of {day}", "at": moment(day)})


def test_each_day_with_rows_becomes_an_object_with_a_manifest(world: LakeWorld) -> None:
    fill(world)
    assert world.written("traces") == {FIRST: WRITTEN, SECOND: WRITTEN}
    assert ids(world.rows("traces", FIRST)) == [f"a of {FIRST}", f"b of {FIRST}"]
    project = world.project.replace("/", "%2F")
    assert set(world.files()) == {
        *(f"v1/traces/project={project}/day={day}/data.parquet" for day in (FIRST, SECOND)),
        *(f"v1/_manifests/traces/project={project}/day={day}.json" for day in (FIRST, SECOND)),
        *(path for path in world.files() if path.startswith("v1/_schemas/traces-")),
    }
    manifest = world.manifest("traces", FIRST)
    assert manifest is not None
    stored = world.files()[f"v1/traces/project={project}/day={FIRST}/data.parquet"]
    assert manifest.sha256 == hashlib.sha256(stored).hexdigest()
    assert (manifest.rows, manifest.bytes, manifest.settled) == (2, len(stored), True)
    assert manifest.fingerprint == world.fingerprints("traces")[FIRST]


def test_what_has_not_changed_is_not_written(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    before = world.files()
    world.run("OPTIMIZE TABLE traces FINAL")
    assert world.written("traces") == {}
    assert world.files() == before


def test_a_lake_that_is_written_anew_has_the_same_bytes(new_world: NewWorld) -> None:
    world = new_world()
    fill(world)
    world.heal("traces")
    before = world.files()
    done = world.heal("traces", anew=True)
    assert {one.action for one in done.values()} == {WRITTEN}
    assert world.files() == before


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM traces WHERE {here} AND id = 'a of 2025-03-02'",
        "ALTER TABLE traces UPDATE bookmarked = true WHERE {here} AND id = 'a of 2025-03-02'",
    ],
)
def test_what_is_changed_behind_its_back_is_healed(world: LakeWorld, change: str) -> None:
    fill(world)
    world.heal("traces")
    world.run(change)
    assert world.written("traces") == {SECOND: WRITTEN}
    found = {row["id"]: row["bookmarked"] for row in world.rows("traces", SECOND)}
    bookmarked = {f"a of {SECOND}": True} if "UPDATE" in change else {}
    assert found == {f"b of {SECOND}": False, **bookmarked}


def test_a_day_that_becomes_empty_loses_its_object_and_keeps_a_manifest(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    world.run(f"DELETE FROM traces WHERE {{here}} AND toDate(timestamp) = '{SECOND}'")
    assert world.written("traces") == {SECOND: EMPTIED}
    manifest = world.manifest("traces", SECOND)
    assert manifest is not None
    assert (manifest.rows, manifest.bytes, manifest.sha256) == (0, 0, "")
    assert world.table("traces", SECOND) is None
    assert world.written("traces") == {}


def test_a_lost_object_and_a_changed_one_are_written_again(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    bucket, keys = open_bucket(world.settings)
    bucket.delete(keys.object(Place("traces", world.project, FIRST)))
    other = keys.object(Place("traces", world.project, SECOND))
    bucket.upload(other, BytesIO(b"something else"), "text/plain", 14)
    assert world.written("traces") == {FIRST: WRITTEN, SECOND: WRITTEN}
    assert len(world.rows("traces", SECOND)) == 2


def test_a_manifest_that_nobody_understands_is_written_again(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    bucket, keys = open_bucket(world.settings)
    key = keys.manifest(Place("traces", world.project, FIRST))
    bucket.upload(key, BytesIO(b"{}"), "application/json", 2)
    assert world.written("traces") == {FIRST: WRITTEN}


def test_a_row_that_moves_to_another_day_is_in_one_of_them(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    newer = {"event_ts": moment(DAYS[8]), "name": "moved"}
    world.add("traces", {"id": f"a of {FIRST}", "at": moment(THIRD), **newer})
    assert world.written("traces", [THIRD]) == {FIRST: WRITTEN, THIRD: WRITTEN}
    assert ids(world.rows("traces", FIRST)) == [f"b of {FIRST}"]
    assert [row["name"] for row in world.rows("traces", THIRD)] == ["moved"]
    assert world.written("traces") == {}


def test_a_row_comes_back_when_the_version_that_has_moved_is_deleted(world: LakeWorld) -> None:
    fill(world)
    world.add("traces", {"id": f"a of {FIRST}", "at": moment(THIRD), "event_ts": moment(DAYS[8])})
    world.heal("traces")
    assert ids(world.rows("traces", FIRST)) == [f"b of {FIRST}"]
    world.run(f"DELETE FROM traces WHERE {{here}} AND toDate(timestamp) = '{THIRD}'")
    assert world.written("traces", [THIRD]) == {FIRST: WRITTEN, THIRD: EMPTIED}
    assert ids(world.rows("traces", FIRST)) == [f"a of {FIRST}", f"b of {FIRST}"]


def test_a_row_comes_back_when_the_newer_version_goes_before_its_day_is_written(
    world: LakeWorld,
) -> None:
    """Days are written one by one; the later one may have no rows left when its turn comes."""
    fill(world)
    for day in (SECOND, THIRD):
        world.add("traces", {"id": f"a of {FIRST}", "at": moment(day), "event_ts": moment(day)})
    for _ in range(2):  # the second time it is a day like others, and the later ones are still not
        world.heal("traces", [FIRST])
        assert ids(world.rows("traces", FIRST)) == [f"b of {FIRST}"]
        assert not [path for path in world.files() if f"day={THIRD}/data" in path]
        world.add("traces", {"id": f"b of {FIRST}", "at": moment(FIRST), "name": "again"})
    world.run(f"DELETE FROM traces WHERE {{here}} AND id = 'a of {FIRST}' "
              f"AND toDate(timestamp) > '{FIRST}'")  # fmt: skip
    world.heal("traces", [THIRD])
    world.heal("traces", [SECOND])
    assert ids(world.rows("traces", FIRST)) == [f"a of {FIRST}", f"b of {FIRST}"]
    assert world.written("traces") == {}


def test_a_project_that_fails_keeps_no_other_from_being_written(world: LakeWorld) -> None:
    """Such as one with a row that a server cannot send."""
    others = [replace(world, project=f"{world.project}-{number}") for number in range(2)]
    for each in (world, *others):
        each.add("traces", {"id": "a", "at": moment(FIRST)})
    named = ",".join(each.project for each in (world, *others))
    settings = world.settings.model_copy(update={"lf_export_lake_projects": named})

    class Failing(InterruptedBucket):
        def upload(self, key: str, *arguments: Any) -> UploadedObject:
            if f"{world.project.partition('/')[2]}/" in key:
                raise TransientError("This object cannot be written.")
            return super().upload(key, *arguments)

    bucket = Failing(open_bucket(settings)[0], lambda: None)
    healer = open_lake(settings, world.reader, NOW, bucket).healer
    with pytest.raises(TransientError, match="This object"):
        list(healer.heal(LAKE_TABLES["traces"], [FIRST]))
    assert [each.table("traces", FIRST) is None for each in (world, *others)] == [
        True,
        False,
        False,
    ]


class LaggingReader(InterruptedReader):
    """Reads the rows of objects from a replica that has stood still, and all else from another."""

    def __init__(self, reader: RowReader, before: BeforeCall) -> None:
        super().__init__(reader, before)
        self.kept: list[pa.RecordBatch] = []

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        if not self.kept:
            with self._reader.batches(statement) as batches:
                self.kept += batches
        yield iter(self.kept)


def test_rows_of_a_replica_that_lags_are_not_taken_for_those_of_the_fingerprint(
    world: LakeWorld,
) -> None:
    """Their number is the same, and what has changed need not be the newest of them."""
    fill(world)
    world.add("traces", {"id": "newest", "at": moment(FIRST), "event_ts": moment(DAYS[8])})
    lagging = replace(world, reader=LaggingReader(world.reader, lambda: None))
    lagging.heal("traces", [FIRST])
    edit = {"id": f"a of {FIRST}", "at": moment(FIRST), "event_ts": moment(SECOND), "name": "new"}
    world.add("traces", edit)
    assert not lagging.heal("traces", [FIRST])[FIRST].is_settled
    assert world.heal("traces", [FIRST])[FIRST].is_settled
    assert "new" in {row["name"] for row in world.rows("traces", FIRST)}


def test_an_older_version_on_another_day_comes_forth_when_the_newer_one_goes(
    world: LakeWorld,
) -> None:
    """The newer one's day has to remember the other, which it has never lost a row to."""
    fill(world)
    world.heal("traces")
    late = {"id": f"a of {FIRST}", "event_ts": moment("2025-01-01")}
    world.add("traces", {**late, "at": moment(THIRD)})
    done = world.written("traces", [THIRD])
    assert done == {FIRST: Action.NOTED, THIRD: EMPTIED}
    assert world.table("traces", THIRD) is None
    world.run(f"DELETE FROM traces WHERE {{here}} AND toDate(timestamp) = '{FIRST}'")
    assert world.written("traces", [FIRST]) == {FIRST: EMPTIED, THIRD: WRITTEN}
    assert ids(world.rows("traces", THIRD)) == [f"a of {FIRST}"]


def test_days_that_are_too_far_apart_do_not_know_each_other(new_world: NewWorld) -> None:
    world = new_world(moved_days="1")
    world.add("traces", {"id": "a", "at": moment(FIRST)})
    world.add("traces", {"id": "a", "at": moment(THIRD), "event_ts": moment(DAYS[8])})
    world.heal("traces")
    assert (ids(world.rows("traces", FIRST)), ids(world.rows("traces", THIRD))) == (["a"], ["a"])


def test_of_the_types_that_an_observation_had_the_newest_counts(world: LakeWorld) -> None:
    world.add("observations", {"id": "a", "type": "SPAN"})
    world.heal("observations")
    world.add("observations", {"id": "a", "type": "GENERATION", "event_ts": moment(DAYS[8])})
    assert world.written("observations") == {FIRST: WRITTEN}
    assert [row["type"] for row in world.rows("observations", FIRST)] == ["GENERATION"]


def test_columns_that_are_left_out_are_there_and_null(new_world: NewWorld) -> None:
    world = new_world(columns_excluded="input, output")
    fill(world)
    world.heal("traces")
    row = world.rows("traces", FIRST)[0]
    assert (row["input"], row["output"], row["metadata"]) == (None, None, [("k", "v")])
    manifest = world.manifest("traces", FIRST)
    assert manifest is not None
    assert manifest.columns_left_out == ("input", "output")


def test_pages_join_where_they_end(world: LakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lf_export_pipeline.lake.row_reading.FIRST_PAGE_ROWS", 2)
    monkeypatch.setattr("lf_export_pipeline.lake.row_reading.PAGE_ROWS_MAX", 3)
    for stored, table in (
        *(("traces", "traces"), ("scores", "scores")),
        *(("observations", "observations"), ("dataset_run_items_rmt", "dataset_run_items")),
    ):
        names = [f"id {number}" for number in range(11)]
        world.add(stored, *({"id": name} for name in names))
        world.heal(table)
        day = FIRST if table != "dataset_run_items" else ""
        assert sorted(ids(world.rows(table, day))) == sorted(names)


def test_pages_of_the_events_table_join(world: LakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lf_export_pipeline.lake.row_reading.FIRST_PAGE_ROWS", 2)
    monkeypatch.setattr("lf_export_pipeline.lake.row_reading.PAGE_ROWS_MAX", 3)
    times = [moment(FIRST, f"12:0{number % 3}:00.00000{number}") for number in range(9)]
    rows = [
        {"id": f"id {number}", "at": at, "trace_id": f"t{number % 4}"}
        for number, at in enumerate(times)
    ]
    world.add("events_full", *rows)
    world.heal("observations")
    assert sorted(ids(world.rows("observations", FIRST))) == [f"id {n}" for n in range(9)]
    manifest = world.manifest("observations", FIRST)
    assert manifest is not None
    assert (manifest.fingerprint.source, manifest.write_mode) == ("events_full", "events_only")


def test_observations_of_projects_that_write_both_tables_are_of_the_old_one(
    world: LakeWorld,
) -> None:
    world.add("events_full", {"id": "event"})
    world.add("observations", {"id": "legacy"})
    world.heal("observations")
    assert ids(world.rows("observations", FIRST)) == ["legacy"]
    world.add("events_full", {"id": "later", "at": moment(DAYS[9])})
    world.heal("observations")
    assert ids(world.rows("observations", FIRST)) == ["event"]


def test_what_comes_late_into_the_events_table_does_not_hide_the_day_of_the_old_one(
    world: LakeWorld,
) -> None:
    """Of days before Langfuse wrote events there are only those that came after it began to."""
    world.add("observations", {"id": "a"}, {"id": "b"}, {"id": "c"})
    world.add("events_full", {"id": "now", "at": moment(DAYS[9])})
    world.heal("observations")
    assert ids(world.rows("observations", FIRST)) == ["a", "b", "c"]
    world.add("events_full", {"id": "late", "at": moment(FIRST)})
    world.heal("observations")
    assert ids(world.rows("observations", FIRST)) == ["a", "b", "c"]
    world.add("events_full", *({"id": name} for name in "abc"))
    world.heal("observations")
    assert sorted(ids(world.rows("observations", FIRST))) == ["a", "b", "c", "late"]


def test_objects_have_row_groups_and_a_page_index(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    (data,) = [d for path, d in world.files().items() if path.endswith(f"{FIRST}/data.parquet")]
    column = pq.ParquetFile(BytesIO(data)).metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.has_column_index
    assert column.has_offset_index


def test_columns_that_are_forbidden_for_a_project_are_null(new_world: NewWorld) -> None:
    world = new_world()
    forbidden = f"{world.project}:input,userId"
    settings = world.settings.model_copy(update={"lf_export_forbidden_columns": forbidden})
    barred = replace(world, settings=settings)
    barred.add("traces", {"id": "a", "user_id": "somebody"})
    barred.heal("traces")
    (row,) = barred.rows("traces", FIRST)
    assert (row["input"], row["user_id"], row["output"]) == (None, None, "out")


@pytest.mark.parametrize("ending", ["data.parquet", ".json"])
def test_an_object_of_a_rival_beside_our_manifest_is_noticed(world: LakeWorld, ending: str) -> None:
    """He has read before a row came, and his object arrives right behind ours or our manifest."""
    fill(world)
    world.heal("traces")
    bucket, keys = open_bucket(world.settings)
    key = keys.object(Place("traces", world.project, FIRST))
    rivals = bucket.read(key) or b""
    world.add("traces", {"id": "late", "at": moment(FIRST)})
    arrives = [True]

    class Disturbed(InterruptedBucket):
        def upload(self, key_: str, source: ByteSource, kind: str, size: int) -> UploadedObject:
            written = super().upload(key_, source, kind, size)
            if key_.endswith(ending) and arrives:
                arrives.clear()
                bucket.upload(key, BytesIO(rivals), kind, len(rivals))
            return written

    done = world.heal("traces", [FIRST], bucket=Disturbed(bucket, lambda: None))
    assert done[FIRST].action is WRITTEN
    assert not arrives
    assert "late" in ids(world.rows("traces", FIRST))
    assert world.written("traces") == {}


class KilledBeforeManifests(InterruptedBucket):
    """Its process ends when an object is there and its manifest is not."""

    def upload(self, key: str, source: ByteSource, kind: str, size: int) -> UploadedObject:
        if "/_manifests/" in key:
            raise KilledError
        return super().upload(key, source, kind, size)


@pytest.mark.parametrize("others", [[], [SECOND]], ids=["first object", "one of several"])
@pytest.mark.parametrize(
    ("stored", "table"), [("traces", "traces"), ("dataset_run_items_rmt", "dataset_run_items")]
)
def test_rows_that_are_erased_after_a_kill_are_not_left_in_an_object_without_manifest(
    world: LakeWorld, stored: str, table: str, others: list[str]
) -> None:
    for day in others:
        world.add(stored, {"id": f"a of {day}", "at": moment(day)})
        world.heal(table, [day])
    world.add(stored, {"id": "erased", "at": moment(FIRST)})
    bucket, _ = open_bucket(world.settings)
    with pytest.raises(KilledError):
        world.heal(table, [FIRST], bucket=KilledBeforeManifests(bucket, lambda: None))
    day = FIRST if table == "traces" else ""
    assert "erased" in ids(world.rows(table, day))
    world.run(f"DELETE FROM {stored} WHERE {{here}} AND id = 'erased'")
    world.heal(table, [FIRST])
    assert "erased" not in ids(world.rows(table, day))
    assert world.written(table, [FIRST]) == {}


def test_days_without_rows_cost_no_question_of_their_own(world: LakeWorld) -> None:
    fill(world)
    world.heal("traces")
    asked = [0]

    def count() -> None:
        asked[-1] += 1

    counted = replace(world, reader=InterruptedReader(world.reader, count))
    counted.heal("traces", DAYS[2:3])
    asked.append(0)
    counted.heal("traces", DAYS[2:])
    assert asked[0] == asked[1]


def test_a_day_that_is_left_as_it_is_has_the_rows_of_its_object(world: LakeWorld) -> None:
    fill(world)
    world.add("traces", {"id": f"a of {FIRST}", "at": moment(THIRD), "event_ts": moment(DAYS[8])})
    written = {day: one.rows for day, one in world.heal("traces").items()}
    assert written == {FIRST: 1, SECOND: 2, THIRD: 1}
    assert {day: one.rows for day, one in world.heal("traces").items()} == written


@pytest.mark.parametrize("column", ["long_string_value", "queue_id"], ids=["wide", "narrow"])
def test_a_column_that_a_server_gets_is_in_what_is_written_next(
    world: LakeWorld, column: str
) -> None:
    kind = {"long_string_value": "String", "queue_id": "Nullable(String)"}[column]
    world.client.command(f"ALTER TABLE scores DROP COLUMN {column}")
    try:
        world.add("scores", {"id": "a"})
        world.heal("scores")
    finally:
        world.client.command(f"ALTER TABLE scores ADD COLUMN {column} {kind}")
    assert world.written("scores") == {FIRST: WRITTEN}
    manifest = world.manifest("scores", FIRST)
    assert manifest is not None
    assert manifest.columns_missing == ()
    assert world.written("scores") == {}
