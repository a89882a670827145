"""An export is the same file whatever its chunks are, and ends exactly at the row limit."""

import itertools
from datetime import UTC, datetime

import pytest

from lf_export_pipeline_tests.exporting import NOON, Project

pytestmark = [pytest.mark.services, pytest.mark.sampled]

BOTH = pytest.mark.parametrize("table", ["traces", "observations"])
FORMATS = pytest.mark.parametrize("file_format", ["CSV", "JSON", "JSONL"])
TIME = {"traces": "timestamp", "observations": "start_time"}

ODD_IDS = [
    "a",
    "A",
    "Z\u00e9",
    "zz",
    "\u65e5\u672c",
    "\U0001f600",
    "\U0001f600\u200d",
    "\uffff",
    "it's",
    'say "hi"',
    "back\\slash",
    "\\",
    "\\'",
    "\\N",
    "tab\there",
    "line\nbreak",
    "nul\x00byte",
    "",
    " ",
    "%_*?",
    "{p0:String}",
    "/*keys:t.id*/",
    "'; DROP TABLE traces; --",
    "\ufeffbom",
    "x" * 5000,
]
DAY_ENDS = [
    "2031-02-28T23:59:59.999Z",
    "2031-03-01T00:00:00.000Z",
    "2031-03-01T23:59:59.999Z",
    "2031-03-02T00:00:00.000Z",
]


def add_odd_rows(project: Project, table: str) -> int:
    """Rows with odd ids around midnights, and what is looked up for them."""
    instants, kinds = itertools.cycle(DAY_ENDS), itertools.cycle(["SPAN", "GENERATION", "EVENT"])
    rows = []
    for odd, instant in zip(ODD_IDS, instants, strict=False):
        row = {"id": odd, TIME[table]: instant, "metadata": {odd: odd}, "input": odd}
        if table == "observations":
            row |= {"type": next(kinds), "trace_id": odd}
        rows.append(row)
    project.add(table, *rows)
    target = {"observation_id": None} if table == "traces" else {}
    project.add(
        "scores",
        *(
            {"id": f"s{at}", "trace_id": odd, "observation_id": odd, "name": f"n{at % 5}"}
            | {"value": at}
            | target
            for at, odd in enumerate(ODD_IDS)
        ),
    )
    project.add_to_postgres(
        "comments",
        *(
            {"id": f"{project.id}-{at}", "object_id": odd, "content": odd.replace("\x00", "")}
            | {"object_type": "TRACE" if table == "traces" else "OBSERVATION"}
            for at, odd in enumerate(ODD_IDS)
            if "\x00" not in odd
        ),
    )
    return len(rows)


@BOTH
@FORMATS
def test_many_small_chunks_give_the_bytes_of_one_chunk(
    project: Project, table: str, file_format: str
) -> None:
    rows = add_odd_rows(project, table)
    whole = project.export(table, file_format=file_format)
    assert whole.chunk_rows == (rows,)
    chunk_rows = {"CSV": 2, "JSON": 4, "JSONL": 9}[file_format]
    pieces = project.export(table, file_format=file_format, chunk_rows=chunk_rows)
    assert len(pieces.chunk_rows) == -(-rows // chunk_rows)
    assert pieces.part_rows == pieces.chunk_rows
    assert pieces.data == whole.data


@BOTH
def test_odd_ids_come_out_as_they_went_in_with_what_belongs_to_them(
    project: Project, table: str
) -> None:
    add_odd_rows(project, table)
    rows = {row["id"]: row for row in project.export(table, chunk_rows=3).rows}
    assert rows.keys() == set(ODD_IDS)
    for at, odd in enumerate(ODD_IDS):
        row = rows[odd]
        cells = {name: row[f"n{name}"] for name in range(5) if row[f"n{name}"] is not None}
        assert cells == {at % 5: [at]}
        contents = [comment["content"] for comment in row["comments"]]
        assert contents == ([] if "\x00" in odd else [odd])
        assert row["metadata"] == {odd: odd}


@BOTH
@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_no_row_is_lost_whose_id_is_no_text(project: Project, table: str, chunk_rows: int) -> None:
    """Its bytes come out as U+FFFD, but the row is there, wherever in a chunk it stands."""
    ids = [b"\xff", b"\xfe!", b"a", b"\xc3", b"\xed\xa0\x80"]
    for raw in ids:
        sql = (
            f"INSERT INTO {table} (project_id, id, {TIME[table]}, event_ts) "
            "SELECT {project:String}, unhex({id:String}), {at:DateTime64(3)}, now64(3)"
        )
        values = {"project": project.id, "id": raw.hex(), "at": "2031-03-01 12:00:00"}
        project.client.command(sql, parameters=values)
    expected = [raw.decode("utf-8", "replace") for raw in sorted(ids)]
    assert project.export(table, chunk_rows=chunk_rows).ids == expected


@BOTH
@pytest.mark.parametrize("chunk_rows", [4, 100])
@pytest.mark.parametrize(("row_limit", "hit"), [(1, True), (9, True), (10, False), (11, False)])
def test_the_row_limit_is_exact_and_known_to_be_hit(
    project: Project, table: str, row_limit: int, hit: bool, chunk_rows: int
) -> None:
    project.add(table, *({"id": f"{number:02d}"} for number in range(10)))
    found = project.export(table, row_limit=row_limit, chunk_rows=chunk_rows)
    assert found.ids == [f"{number:02d}" for number in range(min(row_limit, 10))]
    assert found.limit_hit is hit


@BOTH
def test_the_row_limit_counts_rows_not_versions(project: Project, table: str) -> None:
    for second in range(3):
        event_ts = f"2031-03-01T12:00:0{second}.000Z"
        project.add(table, *({"id": name, "event_ts": event_ts} for name in "ab"))
    found = project.export(table, row_limit=2)
    assert (found.ids, found.limit_hit) == (["a", "b"], False)


@BOTH
def test_rows_are_in_the_order_of_the_stored_key(project: Project, table: str) -> None:
    project.add(
        table,
        {"id": "1", TIME[table]: DAY_ENDS[3]},
        {"id": "2", TIME[table]: DAY_ENDS[1]},
        {"id": "10", TIME[table]: DAY_ENDS[2]},
        {"id": "3", TIME[table]: DAY_ENDS[0]},
    )
    assert project.export(table, chunk_rows=1).ids == ["3", "10", "2", "1"]


def test_rows_of_the_first_and_of_distant_days_are_exported(project: Project) -> None:
    """Days are 16-bit numbers in the sorting key: they begin with 1970 and end in 2149."""
    project.add(
        "traces",
        {"id": "first", "timestamp": "1970-01-01T00:00:00.000Z"},
        {"id": "usual", "timestamp": NOON},
        {"id": "last", "timestamp": "2105-12-31T23:59:59.999Z"},
    )
    end = datetime(2200, 1, 1, tzinfo=UTC)
    for chunk_rows in (1, 100):
        found = project.export("traces", created_at=end, chunk_rows=chunk_rows)
        assert [row["timestamp"][:4] for row in found.rows] == ["1970", "2031", "2105"]


@BOTH
def test_an_empty_project_gives_an_empty_file(project: Project, table: str) -> None:
    empty = {
        name: project.export(table, file_format=name).data for name in ("CSV", "JSON", "JSONL")
    }
    assert empty == {"CSV": b"", "JSON": b"[]", "JSONL": b""}
