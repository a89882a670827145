"""What changes the fingerprint of a day, and that it changes that of no other day."""

import pytest

from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.lake.manifest import Fingerprint
from lf_export_pipeline.lake.source import LakeTable, Source
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.lake.tables.observations import EVENTS, LEGACY
from lf_export_pipeline_tests.integration.lake.lake_world import DAYS, LakeWorld, moment

pytestmark = pytest.mark.services

SOURCES: dict[str, Source] = {
    "traces": LAKE_TABLES["traces"].sources[0],
    "scores": LAKE_TABLES["scores"].sources[0],
    "observations": LEGACY,
    "events_full": EVENTS,
}
EACH = pytest.mark.parametrize("stored", list(SOURCES))
FIRST, SECOND, THIRD, *_ = DAYS


def table_of(stored: str) -> LakeTable:
    """The table of the lake with this source alone."""
    source = SOURCES[stored]
    name = {"events_full": "observations"}.get(stored, stored)
    return LakeTable(name, LAKE_TABLES[name].columns, (source,))


def fingerprints(world: LakeWorld, stored: str) -> dict[str, Fingerprint]:
    return world.fingerprints(table_of(stored))


def fill(world: LakeWorld, stored: str) -> dict[str, Fingerprint]:
    """Three days, the first with two versions of a row that are not merged."""
    for day in (FIRST, SECOND, THIRD):
        world.add(stored, {"id": f"one of {day}", "at": moment(day)})
        world.add(stored, {"id": f"two of {day}", "at": moment(day)})
    newer = moment(FIRST, "13:00:00")
    world.add(stored, {"id": f"one of {FIRST}", "at": moment(FIRST), "event_ts": newer})
    return fingerprints(world, stored)


def changed(world: LakeWorld, stored: str, before: dict[str, Fingerprint]) -> set[str]:
    after = fingerprints(world, stored)
    return {day for day in {*before, *after} if before.get(day) != after.get(day)}


@EACH
def test_rows_are_counted_once_whatever_versions_there_are(world: LakeWorld, stored: str) -> None:
    found = fill(world, stored)
    assert {day: each.rows for day, each in found.items()} == {FIRST: 2, SECOND: 2, THIRD: 2}
    assert len({each.digest for each in found.values()}) == 3


@EACH
def test_a_merge_alone_changes_nothing(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    world.run(f"OPTIMIZE TABLE {stored} FINAL")
    count = f"SELECT count() FROM {stored} WHERE project_id = '{world.project}'"
    assert world.client.query(count).result_rows == [(6,)]
    assert changed(world, stored, before) == set()


@EACH
def test_deleted_rows_change_their_day(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    identity = SOURCES[stored].identity.removeprefix("t.")
    world.run(f"DELETE FROM {stored} WHERE {{here}} AND {identity} = 'one of {SECOND}'")
    assert changed(world, stored, before) == {SECOND}


@EACH
def test_an_edit_in_place_changes_its_day(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    edited = {
        "traces": "bookmarked = true",
        "scores": "value = 0.75",
        "observations": "level = 'ERROR'",
        "events_full": "public = true",
    }[stored]
    identity = SOURCES[stored].identity.removeprefix("t.")
    condition = f"{{here}} AND {identity} = 'two of {THIRD}'"
    world.run(f"ALTER TABLE {stored} UPDATE {edited} WHERE {condition}")
    assert changed(world, stored, before) == {THIRD}


@EACH
def test_a_late_row_with_an_old_version_changes_its_day(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    old = moment(FIRST, "00:00:00")
    world.add(stored, {"id": "late", "at": moment(SECOND), "event_ts": old})
    assert changed(world, stored, before) == {SECOND}
    assert fingerprints(world, stored)[SECOND].newest == before[SECOND].newest


@EACH
def test_a_new_version_changes_its_day(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    newer = moment(DAYS[9])
    world.add(stored, {"id": f"one of {SECOND}", "at": moment(SECOND), "event_ts": newer})
    assert changed(world, stored, before) == {SECOND}


@EACH
def test_a_deletion_marker_changes_its_day(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    gone = {"id": f"one of {SECOND}", "at": moment(SECOND), "is_deleted": 1}
    world.add(stored, {**gone, "event_ts": moment(DAYS[9])})
    assert changed(world, stored, before) == {SECOND}
    assert fingerprints(world, stored)[SECOND].rows == 1


@EACH
def test_a_stale_version_changes_nothing(world: LakeWorld, stored: str) -> None:
    before = fill(world, stored)
    stale = {"id": f"one of {SECOND}", "at": moment(SECOND), "event_ts": moment("2025-01-01")}
    world.add(stored, {**stale, "name": "good" if stored == "scores" else "stale"})
    assert changed(world, stored, before) == set()


@pytest.mark.long
@EACH
def test_each_narrow_column_counts_with_null_and_without(world: LakeWorld, stored: str) -> None:
    """What a hash makes of NULL is NULL, and a digest leaves such a row out."""
    fill(world, stored)
    source = SOURCES[stored]
    identity = source.identity.removeprefix("t.")
    one = f"{{here}} AND {identity} = 'one of {SECOND}'"
    key = " ".join(part.order for part in source.key)  # nobody can change what is in there
    for column in (sql.removeprefix("t.") for sql in source.narrow if sql not in key):
        before = fingerprints(world, stored)
        world.run(f"ALTER TABLE {stored} UPDATE {column} = {other_value(column)} WHERE {one}")
        assert changed(world, stored, before) == {SECOND}, column


@EACH
def test_a_column_that_a_newer_langfuse_lets_be_null_hides_no_row(
    world: LakeWorld, stored: str
) -> None:
    fill(world, stored)
    one = f"{{here}} AND {SOURCES[stored].identity.removeprefix('t.')} = 'one of {SECOND}'"
    edited = "comment" if stored == "scores" else "version"
    environment = f"ALTER TABLE {stored} MODIFY COLUMN environment LowCardinality"
    world.run(f"{environment}(Nullable(String))")
    try:
        world.run(f"ALTER TABLE {stored} UPDATE environment = NULL WHERE {one}")
        before = fingerprints(world, stored)
        world.run(f"ALTER TABLE {stored} UPDATE {edited} = '7' WHERE {one}")
        assert changed(world, stored, before) == {SECOND}
    finally:
        world.run(f"ALTER TABLE {stored} UPDATE environment = 'default' WHERE {one}")
        world.run(f"{environment}(String)")


def other_value(column: str) -> str:
    if column in ("usage_details", "cost_details"):
        return "map('other', 7)"
    if column in ("tags", "tool_call_names"):
        return "['other']"
    if column in ("bookmarked", "public"):
        return "true"
    if column.endswith(("_at", "_time")):
        return "toDateTime64('2025-03-05 01:02:03', 3)"
    return "7" if column in ("value", "prompt_version", "total_cost") else "'other'"


def test_days_are_those_of_utc_and_half_open(world: LakeWorld) -> None:
    world.add("traces", {"id": "first", "at": moment(SECOND, "00:00:00.000")})
    world.add("traces", {"id": "last", "at": moment(SECOND, "23:59:59.999")})
    world.add("traces", {"id": "next", "at": moment(THIRD, "00:00:00.000")})
    found = {day: each.rows for day, each in world.fingerprints("traces", [SECOND]).items()}
    assert found == {SECOND: 2}


def test_a_table_that_is_not_there_is_no_empty_table(world: LakeWorld) -> None:
    missing = Source(Store.CLICKHOUSE, "no_such_table", {}, (), "t.id", "t.event_ts", time="t.at")
    table = LakeTable("traces", (), (missing,))
    with pytest.raises(Exception, match=r"no_such_table, which is not there or may not be read"):
        world.fingerprints(table)
