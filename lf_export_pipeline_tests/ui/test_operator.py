"""What an operator does in Dagster's UI, done in a real browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lf_export_pipeline_tests.ui.browser import JOB, Operator
from lf_export_pipeline_tests.ui.conftest import STEPS, TALL, Deployment

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.browser, pytest.mark.long]

FORCED = "ops:\n  validate_export:\n    config:\n      force: true\n"


@contextmanager
def spool_that_cannot_be_written(deployment: Deployment) -> Iterator[None]:
    """A disk that is not mounted: a file lies where the folder should be."""
    shutil.rmtree(deployment.spool, ignore_errors=True)
    deployment.spool.touch()
    try:
        yield
    finally:
        deployment.spool.unlink()


def test_sensor_that_starts_exports_is_on(operator: Operator) -> None:
    operator.opens("/automation")

    operator.sees("reconcile_exports")
    operator.sees_switched_on("reconcile_exports")
    operator.photographs("sensors")


def test_run_page_shows_each_chunk_as_a_step_and_the_progress_in_its_log(
    deployment: Deployment, operator: Operator
) -> None:
    export_id = deployment.queue(name="Traces for the notebook")
    assert deployment.ended(export_id).status == "COMPLETED"
    (run,) = deployment.runs(export_id)

    operator.driver.set_window_size(*TALL)
    operator.opens(f"/runs/{run.run_id}?logs=chunks")

    operator.sees(export_id)
    operator.clicks("//*[text()[contains(., 'Succeeded (')]]")
    for step in STEPS:
        operator.sees(step)
    operator.photographs("run")


def test_failed_export_is_backfilled_from_the_partitions_page_and_turns_completed(
    deployment: Deployment, operator: Operator
) -> None:
    with spool_that_cannot_be_written(deployment):
        export_id = deployment.queue()
        failed = deployment.ended(export_id)
    assert (failed.status, failed.url) == ("FAILED", None)
    assert "LF_EXPORT_SPOOL" in (failed.log or "")

    operator.opens(f"{JOB}/partitions")
    operator.finds("//*[normalize-space()='1Failed partitions']")
    operator.sees(export_id)
    operator.photographs("partitions")
    operator.presses("Launch backfill")
    operator.sees("Failed (1)")
    operator.photographs("backfill")
    operator.presses("Submit 1 run")

    completed = deployment.wait(export_id, lambda row: row.status == "COMPLETED")
    assert (completed.log, bool(completed.url)) == (None, True)
    assert len(deployment.runs(export_id)) == 2
    operator.opens(f"{JOB}/partitions")
    operator.finds("//*[normalize-space()='0Failed partitions']")


def test_completed_export_is_made_once_more_from_the_launchpad(
    deployment: Deployment, operator: Operator
) -> None:
    export_id = deployment.queue()
    first = deployment.ended(export_id)
    assert first.status == "COMPLETED"

    operator.configures_run(export_id, FORCED)
    operator.photographs("launchpad")
    operator.presses("Launch Run")

    again = deployment.wait(
        export_id, lambda row: row.status == "COMPLETED" and row.finished_at != first.finished_at
    )
    assert again.url != first.url
    newest, _ = deployment.runs(export_id)
    assert "'force': True" in str(newest.run_config)


def test_asset_page_plots_the_exports_of_a_table_and_offers_the_first_rows_of_a_file(
    deployment: Deployment, operator: Operator
) -> None:
    for _ in range(2):
        assert deployment.ended(deployment.queue()).status == "COMPLETED"

    operator.opens("/assets/batch_exports/traces")
    operator.sees("Files that users exported from the table traces.")
    operator.sees("userId")
    operator.photographs("asset")
    operator.presses("Plots")
    operator.shows("Metadata")
    operator.sees("rows_per_second")
    operator.photographs("plots")

    operator.opens("/assets/batch_exports/traces?view=events")
    operator.shows("queue_wait_seconds")
    operator.sees("[Show Markdown]")
    operator.photographs("event")
