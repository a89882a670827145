"""No row is lost because of when it says it was.

ClickHouse files rows by day or minute, as types that hold 1970 to 2105 or 2149; every instant
beyond is filed somewhere else, and comparisons that look there find nothing.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline_tests.exporting import Project, Row, where

pytestmark = [pytest.mark.services, pytest.mark.sampled]

INSTANTS = [
    "1900-01-01T00:00:00.000Z",
    "1925-07-01T12:00:00.000Z",
    "1960-01-01T00:00:00.001Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00.000Z",
    "1970-01-02T00:00:00.000Z",
    "2026-03-01T12:00:00.000Z",
    "2105-12-31T23:59:59.999Z",
    "2106-02-07T06:28:16.000Z",
    "2149-06-06T23:59:59.999Z",
    "2149-06-07T00:00:00.000Z",
    "2149-06-20T12:00:00.000Z",
    "2205-08-20T12:00:00.000Z",
    "2299-12-31T23:59:59.999Z",
]
BORDERS = [
    "0001-01-01T00:00:00.000Z",
    "1960-01-01T00:00:00.001Z",
    "1970-01-01T00:00:00.000Z",
    "2149-06-07T00:00:00.000Z",
    "2299-12-31T23:59:59.999Z",
    "+010000-01-01T00:00:00.000Z",
]
ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)  # a cutoff after every row
SPANS: dict[str, Any] = {"useEventsTable": True}
# The export, its options, the table, the column of the time there, of the id, and of filters.
CASES: dict[str, tuple[str, dict[str, Any], str, str, str, str]] = {
    "traces": ("traces", {}, "traces", "timestamp", "id", "timestamp"),
    "observations": ("observations", {}, "observations", "start_time", "id", "startTime"),
    "spans": ("observations", SPANS, "events_full", "start_time", "span_id", "startTime"),
    "events": ("events", {}, "events_full", "start_time", "span_id", "startTime"),
    "scores": ("scores", {}, "scores", "timestamp", "id", "timestamp"),
    "scores of spans": ("scores", SPANS, "scores", "timestamp", "id", "timestamp"),
    "sessions": ("sessions", {}, "traces", "timestamp", "id", "createdAt"),
    "sessions of spans": ("sessions", SPANS, "events_full", "start_time", "span_id", "createdAt"),
    "run items": (
        "dataset_run_items",
        {},
        "dataset_run_items_rmt",
        "created_at",
        "id",
        "createdAt",
    ),
}
STORED = pytest.mark.parametrize(
    "apart",
    [
        pytest.param(False, id="in a part of each month"),
        pytest.param(True, id="in parts", marks=pytest.mark.long),
    ],
)
EXPORTS = pytest.mark.parametrize("name", CASES)


def rows_of(table: str, time: str, identity: str, instants: list[str]) -> Iterator[Row]:
    """A row of each instant, which is its id as well."""
    for at in instants:
        row: dict[str, Any] = {identity: at, time: at}
        if table in {"traces", "events_full"}:
            row |= {"session_id": at, "tags": [at]}
        if table in {"observations", "events_full", "scores"}:
            row |= {"trace_id": at}
        if table == "scores":
            row |= {"name": "n", "value": 1}
        if table == "dataset_run_items_rmt":
            row |= {"dataset_id": "d", "dataset_run_id": "r", "dataset_item_id": at}
        yield row


@STORED
@EXPORTS
def test_rows_of_every_age_are_exported_however_they_are_cut(
    project: Project, name: str, *, apart: bool
) -> None:
    export, options, table, time, identity, _ = CASES[name]
    rows = list(rows_of(table, time, identity, INSTANTS))
    for inserted in [[row] for row in rows] if apart else [rows]:
        project.add(table, *inserted)
    now = datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert project.ids(export, chunk_rows=3, created_at=now, **options) == set(INSTANTS[:7])
    assert project.ids(export, chunk_rows=5, created_at=ALWAYS, **options) == set(INSTANTS)


@EXPORTS
def test_filters_hold_at_every_border(project: Project, name: str) -> None:
    export, options, table, time, identity, column = CASES[name]
    project.add(table, *rows_of(table, time, identity, INSTANTS))
    for border in BORDERS:
        later = sum(rank(at) >= rank(border) for at in INSTANTS)
        for operator, expected in ((">=", later), ("<", len(INSTANTS) - later)):
            wanted = where(column, "datetime", operator, border)
            request = project.request(export, [wanted], created_at=ALWAYS, **options)
            scan = resolved(request, project.reader, project.settings).key_scan
            assert scan is not None
            assert len(project.reader.rows(scan)) == expected, (operator, border)


def rank(instant: str) -> tuple[int, str]:
    """What an instant sorts by, whatever the digits of its year."""
    year, rest = instant.lstrip("+").split("-", 1)
    return int(year), rest


@pytest.mark.parametrize("name", [name for name in CASES if "sessions" not in name])
@pytest.mark.parametrize(
    "moved_to",
    [
        pytest.param("1960-01-01T00:00:00.000Z", marks=pytest.mark.long),
        "2205-08-20T12:00:00.000Z",
    ],
)
def test_row_that_was_moved_far_away_is_not_exported_as_it_was(
    project: Project, name: str, moved_to: str
) -> None:
    """The newest version counts, also where only the stale one lies in the range."""
    export, options, table, time, identity, column = CASES[name]
    (row,) = rows_of(table, time, identity, ["2026-03-01T12:00:00.000Z"])
    with project.unmerged(table):
        project.add(table, {**row, "event_ts": "2026-03-01T12:00:00.000Z"})
        project.add(table, {**row, time: moved_to, "event_ts": "2026-03-02T12:00:00.000Z"})
        recent = where(column, "datetime", ">=", "2026-01-01T00:00:00.000Z")
        until = where(column, "datetime", "<", "2027-01-01T00:00:00.000Z")
        assert project.ids(export, recent, until, created_at=ALWAYS, **options) == set()
        assert len(project.ids(export, created_at=ALWAYS, **options)) == 1


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize("name", ["traces", "observations", "spans", "events"])
@pytest.mark.parametrize(
    "filters",
    [
        pytest.param([], id="all", marks=pytest.mark.long),
        pytest.param(["1970-02-01T00:00:00.000Z"], id="since"),
    ],
)
def test_distant_scores_are_shown_and_filtered_in_the_rows_they_name(
    project: Project, name: str, filters: list[str]
) -> None:
    export, options, table, time, identity, column = CASES[name]
    row = "2026-03-01T12:00:00.000Z"
    project.add(table, *rows_of(table, time, identity, [row]))
    observation = None if table == "traces" else row
    named = {"trace_id": row, "observation_id": observation, "value": 1}
    late = [at for at in INSTANTS if not filters or rank(at) > rank(filters[0])]
    scores = [{**named, "id": at, "name": at, "timestamp": at} for at in late]
    project.add("scores", *scores)
    bounds = [where(column, "datetime", ">=", bound) for bound in filters]
    shown = project.export(export, bounds, **options).row
    assert {at for at in late if shown[at] == [1]} == set(late)
    has_scores = [where("scores_avg", "numberObject", "=", 1, key=at) for at in late]
    assert project.ids(export, *has_scores, *bounds, **options) == {row}


@pytest.mark.parametrize("options", [{}, SPANS], ids=["traces", "spans"])
def test_distant_rows_count_in_their_session(project: Project, options: dict[str, Any]) -> None:
    table, time, identity = (
        ("events_full", "start_time", "span_id") if options else ("traces", "timestamp", "id")
    )
    rows = [{**row, "session_id": "s"} for row in rows_of(table, time, identity, INSTANTS)]
    for row in rows:
        row.update({"trace_id": row[identity]} if options else {})
    project.add(table, *rows)
    assert project.export("sessions", **options).row["countTraces"] == len(INSTANTS)
    for bound in ("1960-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"):
        since = where("createdAt", "datetime", ">=", bound)
        counted = sum(rank(at) >= rank(bound) for at in INSTANTS)
        assert project.export("sessions", [since], **options).row["countTraces"] == counted


def test_spans_are_in_the_order_of_their_start(project: Project) -> None:
    project.add("events_full", *rows_of("events_full", "start_time", "span_id", INSTANTS))
    for chunk_rows in (1, 100):
        found = project.export("events", created_at=ALWAYS, chunk_rows=chunk_rows)
        assert found.ids == INSTANTS[::-1]


@pytest.mark.parametrize("name", ["traces", "spans", "events", "sessions of spans"])
def test_instants_before_1970_are_cut_to_milliseconds_as_the_others_are(
    project: Project, name: str
) -> None:
    export, options, table, time, identity, _ = CASES[name]
    (row,) = rows_of(table, time, identity, ["1969-12-31T23:59:59.999Z"])
    micro = ".999999Z" if table == "events_full" else ".999Z"
    project.add(table, {**row, time: f"1969-12-31T23:59:59{micro}"})
    shown = "timestamp" if table in {"traces", "scores"} else "startTime"
    shown = "createdAt" if export in {"sessions", "dataset_run_items"} else shown
    text = project.export(export, **options).row[shown]
    plain = "1969-12-31 23:59:59.999999" if export == "events" else "1969-12-31T23:59:59.999Z"
    assert text == plain


POSTGRES = {
    "infinity": None,
    "10000-01-01": None,
    "2031-02-20 01:02:03.004": "2031-02-20T01:02:03.004Z",
    "0001-01-01": "0001-01-01T00:00:00.000Z",
    "0044-03-15 BC": "-000043-03-15T00:00:00.000Z",
    "-infinity": "-infinity",
}


@pytest.mark.parametrize("table", ["audit_logs", "dataset_items"])
def test_instants_of_postgres_are_exported_whatever_they_are(project: Project, table: str) -> None:
    """Those after the cutoff are not there yet; all others are, the latest first."""
    logs = {"action": "create", "resource_type": "trace", "resource_id": "t", "org_id": "o"}
    more = logs if table == "audit_logs" else {"dataset_id": "d"}
    ids = {at: f"{project.id} {at}" for at in POSTGRES}
    for at, name in ids.items():
        times = {"created_at": at, "updated_at": at}
        times |= {"valid_from": at} if table == "dataset_items" else {}
        project.add_to_postgres(table, {"id": name, **times, **more})
    shown = {row["id"]: row["createdAt"] for row in project.export(table).rows}
    assert list(shown.items()) == [(ids[at], text) for at, text in POSTGRES.items() if text]
