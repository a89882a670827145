"""What Dagster's pages answer by themselves: who asked for what, what came out, why not."""

import time
from collections.abc import Collection

import pytest

from lf_export_pipeline.lifecycle.run_records import JOB_NAME
from lf_export_pipeline_tests.ui.browser import Operator
from lf_export_pipeline_tests.ui.conftest import (
    DEADLINE_SECONDS,
    POLL_SECONDS,
    TALL,
    Deployment,
)

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.browser, pytest.mark.long]

JOBS = "/locations/lf_export_pipeline/jobs"
UNKNOWN = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
LARGE = {"type": "datetime", "column": "timestamp", "operator": ">", "value": "2001-01-01T00:00Z"}


def ended_run(deployment: Deployment, before: Collection[str]) -> str:
    """The id of a run that was not there before, once it is over."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        runs = [run for run in deployment.instance.get_runs() if run.run_id not in before]
        if runs and all(run.is_finished for run in runs):
            return runs[0].run_id
        assert time.monotonic() < deadline, runs
        time.sleep(POLL_SECONDS)


def test_run_page_says_who_asked_for_what_and_what_came_out(
    deployment: Deployment, operator: Operator
) -> None:
    export_id = deployment.queue(name="Traces for Ada", filters=[LARGE])
    assert deployment.ended(export_id).status == "COMPLETED"
    (run,) = deployment.runs(export_id)

    operator.driver.set_window_size(*TALL)
    operator.opens(f"/runs/{run.run_id}?logs=rows_before")
    operator.sees("user-ada")
    operator.sees("timestamp >")
    operator.photographs("glance-beginning")

    operator.opens(f"/runs/{run.run_id}?logs=queue_wait_seconds")
    operator.sees("3000")
    operator.clicks("(//*[text()[contains(., '[Show Markdown]')]])[1]")
    operator.sees(f"Traces for Ada ({export_id})")
    operator.photographs("summary")

    operator.opens(f"/runs/{run.run_id}")
    operator.presses("View tags and config")
    operator.finds("//*[normalize-space()='lf_export/name: Traces for Ada']")
    operator.finds("//*[normalize-space()='lf_export/user: user-ada']")
    operator.photographs("glance-tags")


def test_failed_run_says_why_on_its_page(deployment: Deployment, operator: Operator) -> None:
    export_id = deployment.queue(name="Colourful traces", filters=[UNKNOWN])
    assert deployment.ended(export_id).status == "FAILED"
    (run,) = deployment.runs(export_id)

    operator.driver.set_window_size(*TALL)
    operator.opens(f"/runs/{run.run_id}")

    operator.sees("Column colour does not match")
    operator.photographs("glance-failed")
    operator.presses("View tags and config")
    operator.finds("//*[normalize-space()='lf_export/failure: request']")


def test_launchpad_without_a_partition_ends_with_a_sentence(
    deployment: Deployment, operator: Operator
) -> None:
    before = {run.run_id for run in deployment.instance.get_runs()}

    operator.driver.set_window_size(*TALL)
    operator.opens(f"{JOBS}/{JOB_NAME}/playground")
    operator.sees("No errors")
    operator.presses("Launch Run")
    operator.presses("Confirm")
    run_id = ended_run(deployment, before)

    operator.opens(f"/runs/{run_id}")
    operator.sees("No export was chosen: this job makes one export per run")
    operator.photographs("glance-no-partition")


def test_launchpad_of_the_requeue_job_has_all_conditions_written(
    deployment: Deployment, operator: Operator
) -> None:
    operator.driver.set_window_size(*TALL)
    operator.opens(f"{JOBS}/requeue_failed_exports/playground")

    operator.sees("No errors")
    for field in ("since", "until", "error_contains", "projects", "tables", "ids", "dry_run"):
        operator.sees(field)  # the editor has the colon in an element of its own
    operator.photographs("glance-requeue")


def test_columns_of_a_table_are_described_before_its_first_export(
    deployment: Deployment, operator: Operator
) -> None:
    assert deployment.address

    operator.driver.set_window_size(*TALL)
    operator.opens("/assets/batch_exports/sessions")

    operator.sees("sessionDuration")
    operator.sees("From the first observation to the end of the last one")
    operator.photographs("glance-columns")
