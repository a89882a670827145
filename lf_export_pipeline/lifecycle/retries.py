"""Whether Dagster's run retries start a failed run again.

Dagster puts down one after another that a run has failed, its new status, and the tag that says
whether it will be retried. Its daemon looks at a failure once. If it looks in between, it takes the
run for one that has not failed, and the retry that the tag promises is never made: that is what
https://github.com/dagster-io/dagster/issues/33741 is about.
"""

from datetime import timedelta

import dagster as dg

from lf_export_pipeline.lifecycle.run_records import IN_FLIGHT

WILL_RETRY_TAG = "dagster/will_retry"
RETRY_RUN_TAG = "dagster/auto_retry_run_id"
ASKED_AGAIN_TAG = "lf_export/retry_asked_again"
CLEANED_TAG = "lf_export/cleaned"
"""Both hold the id of the run that they are about: a re-execution inherits all of its tags."""

ANY_ZONE = timedelta(days=1)
"""By how much Dagster's instants of runs may be off, which are in the zone of its database."""


def is_retried(run: dg.DagsterRun) -> bool:
    """Whether Dagster's run retries will start a failed run again: then it is not the end yet."""
    return run.tags.get(WILL_RETRY_TAG) == "true"


def is_marked(run: dg.DagsterRun, tag: str) -> bool:
    """Whether this very run has a tag that holds the id of the run that it is about."""
    return run.tags.get(tag) == run.run_id


def is_alive(run: dg.DagsterRun) -> bool:
    """Whether a run has not ended, or Dagster will start it again."""
    return run.status in IN_FLIGHT or is_retried(run)
