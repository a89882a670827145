"""What can go, and what cannot."""

from datetime import UTC, datetime, timedelta

import pytest

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.sweeps.old_partitions import partition_item
from lf_export_pipeline.sweeps.spool_folders import RunsOfExport, folder_item
from lf_export_pipeline_tests.numbers_table import export_row

NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY = "1931774400123-lf-traces-export-project-1.csv"
ENDED, ALIVE = RunsOfExport(known=True), RunsOfExport(known=True, alive=True)


def row(status: str, age: timedelta) -> ExportRow:
    return export_row("export/1", status=status, updated_at=NOW - age)


@pytest.mark.parametrize(
    ("found", "runs", "removable"),
    [
        (row("COMPLETED", 2 * HOUR), ENDED, True),
        (row("COMPLETED", 2 * HOUR), RunsOfExport(), True),
        (row("COMPLETED", HOUR / 2), ENDED, False),
        (row("CANCELLED", 2 * HOUR), ENDED, True),
        (row("FAILED", 25 * HOUR), ENDED, True),
        (row("FAILED", 23 * HOUR), ENDED, False),
        (row("FAILED", 25 * HOUR), ALIVE, False),
        (row("PROCESSING", 9 * DAY), ENDED, False),
        (row("QUEUED", 9 * DAY), RunsOfExport(), False),
        (None, ENDED, True),
        (None, ALIVE, False),
        (None, RunsOfExport(), False),
    ],
)
def test_spool_folder_goes_when_nobody_will_need_it(
    found: ExportRow | None, runs: RunsOfExport, removable: bool
) -> None:
    folder = export_folder("export/1")

    assert folder_item(folder, found, runs, NOW, DAY).removable is removable


@pytest.mark.parametrize("folder", ["a b", "no.export", "%41"])
def test_folder_with_a_name_that_exports_do_not_get_is_not_ours(folder: str) -> None:
    item = folder_item(folder, row("COMPLETED", 9 * DAY), ENDED, NOW, DAY)

    assert not item.removable


@pytest.mark.parametrize(
    ("asked", "ran", "removable"),
    [
        (31 * DAY, None, True),
        (29 * DAY, None, False),
        (31 * DAY, 29 * DAY, False),
        (None, 31 * DAY, True),
        (None, DAY, False),
        (None, None, True),
    ],
)
def test_partition_goes_thirty_days_after_its_last_use(
    asked: timedelta | None, ran: timedelta | None, removable: bool
) -> None:
    requested_at = NOW - asked if asked else None
    ran_at = NOW - ran if ran else None

    assert partition_item("a", requested_at, ran_at, NOW).removable is removable
