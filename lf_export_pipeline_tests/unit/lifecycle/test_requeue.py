"""Failed exports again: first in words, then in deed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.column_groups import forbidden_columns
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.file_defaults import FileDefaults
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.definitions import defs
from lf_export_pipeline.defs.requeue_job import requeue_failed_exports
from lf_export_pipeline.lifecycle.requeue import (
    CHANGED,
    INVALID,
    QUEUED,
    TOO_OLD,
    WOULD_QUEUE,
    RequeueConfig,
    requeue_failed,
    search_of,
    summary_of,
)
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import Numbers, export_row
from lf_export_pipeline_tests.world import ENVIRONMENT

NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LIMITS = ExportLimits()
RULES = LIMITS, FileDefaults()
FOR_LONG = RequeueConfig(since="2031-01-01")


UNKNOWN = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
INVALID_QUERIES = {
    "no table": {"tableName": "colours", "filter": [], "orderBy": None},
    "no filter": {"tableName": "traces", "filter": [{"type": "colour"}], "orderBy": None},
    "no column": {"tableName": "traces", "filter": [UNKNOWN], "orderBy": None},
}


@pytest.fixture
def rows() -> FakeBatchExportRepository:
    register(Numbers())

    def failed(name: str, age: timedelta, **values: object) -> ExportRow:
        return export_row(name, status="FAILED", created_at=NOW - age, **values)

    return FakeBatchExportRepository(
        failed("a", DAY, log="The bucket refuses access."),
        failed("b", 2 * DAY, project_id="project-2", log="An internal error occurred."),
        failed(
            "c",
            3 * DAY,
            query={"tableName": "traces", "filter": [], "orderBy": None},
            log="The | bucket | is gone.",
        ),
        failed("old", 31 * DAY),
        export_row("cancelled", status="CANCELLED", created_at=NOW - DAY),
        export_row("done", status="COMPLETED", created_at=NOW - DAY),
    )


def meant(rows: FakeBatchExportRepository, **config: Any) -> list[str]:
    return [one.row.id for one in requeue_failed(rows, RequeueConfig(**config), NOW, *RULES)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["c", "b", "a"]),
        ({"since": "2031-03-18T12:00:00Z"}, ["b", "a"]),
        ({"until": "2031-03-18T12:00:00+00:00"}, ["c"]),
        ({"since": "2031-01-01"}, ["old", "c", "b", "a"]),
        ({"projects": ["project-2"]}, ["b"]),
        ({"tables": ["traces"]}, ["c"]),
        ({"error_contains": "BUCKET"}, ["c", "a"]),
        ({"ids": ["a", "done", "nowhere"]}, ["a"]),
        ({"ids": ["cancelled"]}, ["cancelled"]),
        ({"ids": ["cancelled"], "projects": ["project-2"]}, []),
        ({"ids": ["old"]}, ["old"]),
        ({"limit": 2}, ["c", "b"]),
    ],
)
def test_conditions_choose_among_the_failed_exports(
    rows: FakeBatchExportRepository, config: dict[str, object], expected: list[str]
) -> None:
    assert meant(rows, **config) == expected


def test_unless_told_otherwise_nothing_is_changed(rows: FakeBatchExportRepository) -> None:
    before = dict(rows.rows)

    outcomes = {one.row.id: one.outcome for one in requeue_failed(rows, FOR_LONG, NOW, *RULES)}

    assert outcomes == {"a": WOULD_QUEUE, "b": WOULD_QUEUE, "c": WOULD_QUEUE, "old": TOO_OLD}
    assert rows.rows == before


def test_exports_are_queued_again_as_if_they_had_never_run(rows: FakeBatchExportRepository) -> None:
    config = FOR_LONG.model_copy(update={"dry_run": False})

    requeued = requeue_failed(rows, config, NOW, *RULES)

    assert {one.row.id for one in requeued if one.outcome == QUEUED} == {"a", "b", "c"}
    assert (rows.rows["a"].status, rows.rows["a"].log) == ("QUEUED", None)
    assert rows.rows["old"].status == "FAILED"
    assert rows.rows["cancelled"].status == "CANCELLED"
    assert summary_of(requeued) == f"3 {QUEUED}; 1 {TOO_OLD}"


def test_a_cancelled_export_that_is_named_is_queued_again(rows: FakeBatchExportRepository) -> None:
    config = RequeueConfig(ids=["cancelled"], dry_run=False)

    (one,) = requeue_failed(rows, config, NOW, *RULES)

    assert one.outcome == QUEUED
    assert rows.rows["cancelled"].status == "QUEUED"


@pytest.mark.parametrize("before", ["FAILED", "CANCELLED"])
def test_export_whose_status_has_changed_is_left_alone(
    before: str,
    rows: FakeBatchExportRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search, after = rows.search, {"FAILED": "CANCELLED", "CANCELLED": "FAILED"}[before]
    rows.rows["a"] = replace(rows.rows["a"], status=before)

    def search_then_change(wanted: ExportSearch) -> list[ExportRow]:
        found = search(wanted)
        rows.rows["a"] = export_row("a", status=after)
        return found

    monkeypatch.setattr(rows, "search", search_then_change)

    (one,) = requeue_failed(rows, RequeueConfig(ids=["a"], dry_run=False), NOW, *RULES)

    assert one.outcome == CHANGED
    assert rows.rows["a"].status == after


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("query", INVALID_QUERIES.values(), ids=INVALID_QUERIES)
def test_request_that_would_be_rejected_again_is_left_out(
    rows: FakeBatchExportRepository, query: dict[str, object], dry_run: bool
) -> None:
    rows.rows["a"] = export_row("a", status="FAILED", query=query, created_at=NOW)

    outcomes = requeue_failed(rows, RequeueConfig(ids=["a", "b"], dry_run=dry_run), NOW, *RULES)

    queued = WOULD_QUEUE if dry_run else QUEUED
    assert {one.row.id: one.outcome for one in outcomes} == {"a": INVALID, "b": queued}
    assert rows.rows["a"].status == "FAILED"


@pytest.mark.parametrize("text", ["yesterday", "2031-13-01", "0001-01-01T00:00+14:00"])
def test_instant_that_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(PermanentError, match="since is not a valid time"):
        search_of(RequeueConfig(since=text), NOW)


def test_launchpad_of_the_job_scaffolds_all_conditions() -> None:
    job = defs.get_job_def("requeue_failed_exports")

    assert job.run_config is not None
    assert job.run_config["ops"] == {"requeue_exports": {"config": RequeueConfig().model_dump()}}
    assert set(RequeueConfig().model_dump()) == set(RequeueConfig.model_fields)


def test_instant_without_a_zone_is_utc() -> None:
    search = search_of(RequeueConfig(until="2031-03-01"), NOW)

    assert search.created_until == datetime(2031, 3, 1, tzinfo=UTC)


@pytest.fixture
def result(rows: FakeBatchExportRepository) -> dg.ExecuteInProcessResult:
    rows.rows = {name: row for name, row in rows.rows.items() if name != "old"}
    return requeue_failed_exports.execute_in_process(
        resources={"export_rows": rows, "settings": Settings.load(ENVIRONMENT)}
    )


def test_job_says_what_it_would_do(
    result: dg.ExecuteInProcessResult, rows: FakeBatchExportRepository
) -> None:
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    metadata = event.step_output_data.metadata
    assert (metadata["exports"].value, metadata["queued_again"].value) == (3, 0)
    report = str(metadata["report"].value)
    assert "| a | project-1 | numbers | CSV |" in report
    assert "The \\| bucket \\| is gone." in report
    assert rows.rows["a"].status == "FAILED"


def test_what_holds_nothing_but_forbidden_columns_is_left_out(
    rows: FakeBatchExportRepository,
) -> None:
    query: dict[str, object] = {
        "tableName": "traces",
        "filter": [],
        "orderBy": None,
        "lfExport": {"columns": ["input"]},
    }
    rows.rows["a"] = export_row("a", status="FAILED", query=query, created_at=NOW)
    forbidden = FileDefaults(forbidden=forbidden_columns("*:input", ["input"]))

    (one,) = requeue_failed(rows, RequeueConfig(ids=["a"]), NOW, LIMITS, forbidden)

    assert one.outcome == INVALID
