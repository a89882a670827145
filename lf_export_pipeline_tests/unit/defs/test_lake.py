"""Days that are observed, versions of them, and what a run of the lake says."""

from datetime import UTC, date, datetime
from itertools import pairwise

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.defs.lake.automation import SLICE_DAYS, slices
from lf_export_pipeline.defs.lake.checks import named, rows_check
from lf_export_pipeline.defs.lake.definitions import lake_definitions
from lf_export_pipeline.defs.lake.observed import (
    HEALED,
    NOTHING,
    RECENT_DAYS,
    days_to_observe,
    version_of,
    versions_by_day,
)
from lf_export_pipeline.defs.lake.shape import LakeShape
from lf_export_pipeline.defs.lake.written import lake_asset, summary, told
from lf_export_pipeline.lake.healing import Action, Healed
from lf_export_pipeline.lake.inspection import RowsFound
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.manifest import Fingerprint
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.settings.lake import LakeSettings

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)
URL = {"lf_export_lake_url": "s3://lake"}


def shape(**given: object) -> LakeShape:
    return LakeShape.of(LakeSettings.model_validate({**URL, **given}))


@pytest.mark.parametrize("today", [False, True])
def test_days_are_the_partitions_that_dagster_knows(today: bool) -> None:
    lake = shape(lf_export_lake_start="2026-11-20", lf_export_lake_today=today)
    days = lake.days_until(NOW)
    assert days == lake.days.get_partition_keys(current_time=NOW)
    assert days[-1] == ("2026-11-28" if today else "2026-11-27")


def test_the_last_days_are_observed_unless_a_run_names_others() -> None:
    lake = shape(lf_export_lake_start="2026-01-01")
    recent = days_to_observe(lake, None, NOW)
    assert (len(recent), recent[-1]) == (RECENT_DAYS, "2026-11-27")
    assert days_to_observe(lake, "2025-12-30/2026-01-03", NOW) == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    "asked", ["", "2026-01-01", "2026-1-1/2026-2-1", "2026-02-01/2026-01-01", "2026-01-01/today"]
)
def test_a_tag_that_names_no_days_is_a_sentence(asked: str) -> None:
    with pytest.raises(ConfigurationError, match="such as 2026-01-01/2026-02-01"):
        days_to_observe(shape(), asked, NOW)


def test_slices_are_all_days_side_by_side() -> None:
    found = [span.split("/") for span in slices(date(2026, 1, 1), NOW)]
    assert found[0][0] == "2026-01-01"
    assert found[-1][1] == "2026-11-29"
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert all(
        (date.fromisoformat(end) - date.fromisoformat(first)).days <= SLICE_DAYS
        for first, end in found
    )


def test_a_version_changes_with_each_project_and_days_without_rows_have_one() -> None:
    def of(**projects: int) -> str:
        found = {
            Place("traces", name, "2026-01-01"): Fingerprint(source="traces", rows=rows)
            for name, rows in projects.items()
        }
        return versions_by_day(["2026-01-01", "2026-01-02"], found)["2026-01-01"]

    versions = [of(), of(a=1), of(a=2), of(a=1, b=1), of(b=1)]
    assert len({*versions}) == len(versions)
    assert versions[0] == NOTHING
    assert of(a=1, b=2) == of(b=2, a=1)


def test_what_was_done_is_a_line_and_numbers() -> None:
    place = Place("traces", "p", "2026-01-01")
    done = [
        Healed(place, Action.WRITTEN, rows=7, bytes=100, is_settled=False),
        Healed(place, Action.UNCHANGED, rows=5),
    ]
    assert told(done) == "1 unchanged, 1 written; 7 rows and 100 bytes written."
    assert summary(done) == {
        "dagster/row_count": 12,
        "projects": 2,
        "bytes_written": 100,
        "objects_written": 1,
        "unsettled": 1,
        HEALED: "changed while it was written",
    }


def test_a_day_was_made_equal_to_what_is_observed_of_the_same_rows() -> None:
    found = {
        Place("traces", name, "2026-01-01"): Fingerprint(source="traces", rows=rows)
        for name, rows in {"a": 1, "b": 2, "emptied": 0}.items()
    }
    done = [
        Healed(place, Action.WRITTEN, fingerprint=fingerprint)
        for place, fingerprint in found.items()
    ]
    observed = {place: each for place, each in found.items() if each.rows}
    assert summary(done)[HEALED] == version_of(observed)
    assert summary(done[2:])[HEALED] == summary([])[HEALED] == NOTHING


@pytest.mark.parametrize(
    ("found", "passes", "meanwhile"),
    [
        (RowsFound(missing=[Place("traces", "new", "2026-01-01")]), True, 1),
        (RowsFound(missing=[Place("traces", "known", "2026-01-01")]), False, 0),
        (RowsFound(behind=[Place("traces", "known", "2026-01-01")]), True, 1),
        (RowsFound(wrong=[Place("traces", "known", "2026-01-01")]), False, 0),
    ],
)
def test_rows_of_a_project_that_had_none_when_the_run_looked_are_no_fault(
    found: RowsFound, passes: bool, meanwhile: int
) -> None:
    looked_at = {Place("traces", "known", "2026-01-01")}
    result = rows_check(LAKE_TABLES["traces"], found, looked_at)
    assert result.passed is passes
    assert result.metadata["changed_meanwhile"].value == meanwhile


@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
@pytest.mark.parametrize(("maps", "kind"), [("map", "map<string, string>"), ("json", "string")])
def test_the_columns_of_an_asset_have_the_types_of_its_objects(maps: str, kind: str) -> None:
    lake = shape(lf_export_lake_maps=maps, lf_export_lake_tables="traces")
    asset = lake_asset(lake, LAKE_TABLES["traces"])
    columns = asset.metadata_by_key[asset.key]["dagster/column_schema"].columns
    assert {column.name: column.type for column in columns}["metadata"] == kind


def test_a_column_that_there_is_not_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="LF_EXPORT_LAKE_COLUMNS_EXCLUDED names inputs"):
        shape(lf_export_lake_columns_excluded="inputs")


def test_few_places_are_named_and_the_others_counted() -> None:
    places = [Place("traces", f"p{number}", "") for number in range(12)]
    assert named(places[:2]) == "p0, p1"
    assert named(places).endswith("p9 and 2 more")


def test_a_table_that_there_is_not_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="LF_EXPORT_LAKE_TABLES names spans; the tables"):
        shape(lf_export_lake_tables="traces,spans")


@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
def test_runs_of_the_lake_come_after_those_of_exports() -> None:
    defs = lake_definitions(shape(), lambda: pytest.fail("nothing is read while loading"))
    job = defs.resolve_job_def("observe_langfuse")
    assert int(job.tags["dagster/priority"]) < 0
    assert job.tags["lf_export/lake"] == "observe"
    dg.Definitions.validate_loadable(defs)
