"""Which exports a run may start, as one table."""

from datetime import UTC, datetime, timedelta

import pytest

from lf_export_pipeline.core.request.ownership import mark_of
from lf_export_pipeline.defs.ops.validate_export import Action, ValidateConfig, admission
from lf_export_pipeline_tests.numbers_table import export_row

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=30, seconds=1)
YOUNG = NOW - timedelta(days=30) + timedelta(seconds=1)
OWNED = mark_of("another-run")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("status", "created_at", "unforced", "forced"),
    [
        ("QUEUED", NOW, Action.RUN, Action.RUN),
        ("QUEUED", YOUNG, Action.RUN, Action.RUN),
        ("QUEUED", OLD, Action.REFUSE, Action.REFUSE),
        ("FAILED", NOW, Action.RUN, Action.RUN),
        ("FAILED", OLD, Action.REFUSE, Action.REFUSE),
        ("PROCESSING", NOW, Action.RUN, Action.RUN),
        ("COMPLETED", NOW, Action.SKIP, Action.RUN),
        ("COMPLETED", OLD, Action.REFUSE, Action.REFUSE),
        ("CANCELLED", NOW, Action.SKIP, Action.SKIP),
        ("CANCELLED", OLD, Action.SKIP, Action.SKIP),
    ],
)
def test_status_and_age_decide(
    status: str, created_at: datetime, unforced: Action, forced: Action, force: bool
) -> None:
    row = export_row(status=status, created_at=created_at)

    decision = admission(row, ValidateConfig(force=force), NOW)

    assert decision.action is (forced if force else unforced)


@pytest.mark.parametrize(
    ("log", "force", "action"),
    [
        (OWNED, False, Action.SKIP),
        (OWNED, True, Action.SKIP),
        (None, False, Action.SKIP),
        (None, True, Action.RUN),
    ],
)
def test_work_of_another_is_taken_over_by_force_if_it_has_no_owner(
    log: str | None, force: bool, action: Action
) -> None:
    row = export_row(status="PROCESSING", log=log)

    assert admission(row, ValidateConfig(force=force), NOW, is_taken=True).action is action


@pytest.mark.parametrize(
    ("project_id", "action"),
    [(None, Action.RUN), ("project-1", Action.RUN), ("project-2", Action.SKIP)],
)
def test_row_of_another_project_counts_as_missing(project_id: str | None, action: Action) -> None:
    config = ValidateConfig(project_id=project_id)

    assert admission(export_row(), config, NOW).action is action
    assert admission(None, config, NOW).action is Action.SKIP
