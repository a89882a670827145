"""Parquet holds what CSV holds, cell by cell, over all tables and the recorded rows."""

from typing import Any

import pytest

from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline_tests.effort import some
from lf_export_pipeline_tests.exporting import CUTOFF
from lf_export_pipeline_tests.golden.direct import DirectRunner
from lf_export_pipeline_tests.typed_cells import differences

pytestmark = [pytest.mark.services, pytest.mark.golden]

PROJECTS = ("proj-main", "proj-tiny", "proj-empty", "proj-other", "proj-clash", "proj-big")
READINGS = (
    *((table, False) for table in table_names()),
    *((table, True) for table in ("observations", "scores", "sessions")),
)
BEYOND_64_BITS = "totalTokens"
"""What usages of 64 bits add up to, with all digits, in the one recorded session that has them."""


def row_of(table: str, project: str, file_format: str, *, from_events: bool) -> StoredExport:
    query: dict[str, Any] = {"tableName": table, "filter": [], "orderBy": None}
    return StoredExport(
        id=f"{table}-{project}",
        project_id=project,
        user_id="user",
        created_at=CUTOFF,
        updated_at=CUTOFF,
        name=table,
        status="QUEUED",
        format=file_format,
        query=query | ({"useEventsTable": True} if from_events else {}),
    )


@pytest.mark.parametrize(("table", "from_events"), READINGS)
def test_every_cell_is_that_of_csv_with_a_type(
    table: str, from_events: bool, direct: DirectRunner
) -> None:
    compared = 0
    for project in some(PROJECTS):
        plain, typed = (
            direct.export(row_of(table, project, fmt, from_events=from_events))
            for fmt in ("CSV", "PARQUET")
        )
        types = typed.query.score_types
        found = differences(plain.data, typed.data, typed.query.columns, types)
        assert [each for each in found if not each.startswith(f"{BEYOND_64_BITS}, ")] == []
        assert len(found) == sum(typed.unfit.values()), found
        compared += sum(typed.part_rows)
    assert compared
