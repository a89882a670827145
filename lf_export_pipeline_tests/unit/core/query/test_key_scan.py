import re

import pytest

from lf_export_pipeline.core.query.key_hash import keyed_hash
from lf_export_pipeline.core.query.key_scan import (
    Bound,
    ChunkRows,
    KeyScan,
    Relation,
    VersionedTable,
    all_of,
    row_size_sample,
    versions_of,
)
from lf_export_pipeline.core.query.selection import ScanPredicates
from lf_export_pipeline.core.query.statement import Params, Store

THINGS = VersionedTable(
    name="things",
    store=Store.EVENTS,
    identity="t.id",
    time="t.seen",
    sorting_key=("toDate(t.seen)", "t.id"),
    bounds=(Bound("toDate(t.seen)", "Date"), Bound("t.id", "String")),
)


def selection(
    *, row: tuple[str, ...] = (), late: tuple[str, ...] = (), is_bounded: bool = False
) -> ScanPredicates:
    return ScanPredicates("(t.seen < 9)", row, late, relations=frozenset(), is_bounded=is_bounded)


def squeezed(sql: str) -> str:
    return re.sub(r"\s+", " ", sql)


def scan_sql(wanted: ScanPredicates, **more: object) -> str:
    scan = KeyScan(table=THINGS, project="{p0:String}", selection=wanted, **more)  # type: ignore[arg-type]
    return squeezed(scan.statement(Params()).sql)


def test_the_scan_gives_the_key_and_the_text_of_each_bound_in_the_stored_order() -> None:
    sql = scan_sql(selection(), row_limit=10)
    assert sql.startswith(
        f"SELECT {keyed_hash('n.k0, n.k1')} AS key, "
        "if(n.beyond, '', toString(n.k0)) AS b0, hex(n.k1) AS b1 FROM ("
    )
    assert sql.endswith("ORDER BY n.k0, n.k1 LIMIT 11")


def test_bounds_that_are_instants_are_told_in_utc() -> None:
    minute = Bound("t.at", "DateTime('UTC')")
    assert minute.text("n.k0", "n.b") == "if(n.b, '', toString(n.k0, 'UTC'))"
    assert minute.between("lo", "hi") == (
        "(t.at BETWEEN toDateTimeOrZero({lo:String}, 'UTC') "
        "AND toDateTimeOrZero({hi:String}, 'UTC') OR {lo:String} = '')"
    )


def test_the_row_conditions_are_a_verdict_on_each_version_and_filter_none_before() -> None:
    sql = scan_sql(selection(row=("t.name = 'x'",)))
    verdict = "toUInt8(ifNull((t.is_deleted = 0) AND (t.name = 'x'), 0))"
    assert verdict in sql
    assert sql.count("t.name = 'x'") == 1
    assert "argMax(v, version)" in sql


def test_versions_out_of_range_are_looked_at_to_reject_what_they_replace() -> None:
    sql = scan_sql(selection())
    assert "NOT (t.seen < 9)" in sql
    assert "t.id IN (SELECT" not in sql


def test_with_a_lower_bound_only_ids_in_the_range_are_looked_at_outside_of_it() -> None:
    sql = scan_sql(selection(is_bounded=True))
    assert (
        "AND t.id IN (SELECT t.id FROM things AS t WHERE t.project_id = {p0:String} "
        "AND (t.seen < 9))"
    ) in sql


def test_relations_are_joined_and_tested_after_the_newest_version_is_known() -> None:
    relation = Relation("SELECT 1 AS key", on="parent")
    sql = scan_sql(
        selection(late=("o.errors > 0",)),
        relations={"o": relation},
        carried={"parent": "t.parent"},
        order=("n.parent DESC",),
    )
    assert "LEFT JOIN (SELECT 1 AS key) AS o ON o.key = n.parent WHERE (o.errors > 0)" in sql
    assert sql.index("GROUP BY id") < sql.index("LEFT JOIN")
    assert "ORDER BY n.parent DESC, n.k0, n.k1 LIMIT" in sql


def test_a_chunk_is_read_inside_its_box_by_its_keys_newest_version_first() -> None:
    rows = ChunkRows(THINGS, "{p0:String}", {"id": "t.id"}, order=("t.seen DESC",))
    statement = rows.statement(Params())
    sql = squeezed(statement.sql)
    assert statement.store is Store.EVENTS
    assert (
        "(toDate(t.seen) BETWEEN toDateOrZero({lo_0:String}) AND toDateOrZero({hi_0:String}) "
        "OR {lo_0:String} = '')"
    ) in sql
    assert "t.id BETWEEN unhex({lo_1:String}) AND unhex({hi_1:String})" in sql
    assert f"/*keys:{keyed_hash('toDate(t.seen), t.id')}*/" in sql
    assert (
        "ORDER BY t.seen DESC, toDate(t.seen), t.id, "
        "t.event_ts DESC, 1 - t.is_deleted DESC, t.updated_at DESC, "
        "t._part_index DESC, t._part_offset DESC LIMIT 1 BY t.id"
    ) in sql


def test_the_sample_measures_the_long_columns_of_the_rows_of_a_chunk() -> None:
    sample = row_size_sample(THINGS, "p", ("t.input", "t.output"))
    assert (sample.store, sample.params) == (Store.EVENTS, {"p0": "p"})
    assert "length(ifNull(toString(t.input), '')) + length(" in sample.sql
    assert THINGS.chunk("{p0:String}") in sample.sql


@pytest.mark.parametrize(
    ("conditions", "expected"), [([], "1"), (["a"], "(a)"), (["a OR b", "c"], "(a OR b) AND (c)")]
)
def test_conditions_are_joined_in_parentheses(conditions: list[str], expected: str) -> None:
    assert all_of(conditions) == expected


def test_versions_are_looked_for_by_columns_and_not_by_a_tuple() -> None:
    """ClickHouse 24.8 refuses an index search by a column of tuples (code 43)."""
    found = versions_of("things", "toDate(t.seen), t.id", "{p0:String}", "t.size > 3")
    assert found == (
        "(toDate(t.seen), t.id) IN (SELECT toDate(t.seen), t.id FROM things AS t "
        "WHERE t.project_id = {p0:String} AND (t.size > 3))"
    )
