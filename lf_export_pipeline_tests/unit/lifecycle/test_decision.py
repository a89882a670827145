"""The table of what happens to an export: row, runs and how long ago."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import Claim, mark_of
from lf_export_pipeline.lifecycle.decision import (
    BAD_ID_MESSAGE,
    LAUNCHES_MAX,
    Action,
    Limits,
    Retry,
    Run,
    RunState,
    decide,
    give_up_message,
    needs_history,
)
from lf_export_pipeline_tests.numbers_table import export_row

NOW = datetime(2031, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LIMITS = Limits(lost_after=HOUR, silent_after=5 * MINUTE, max_recoveries=3)
QUEUED_AT = NOW - 3 * HOUR

S, R = RunState, Retry


def row(status: str, changed: timedelta = 2 * HOUR, owner: str | None = "run") -> ExportRow:
    """A row that was changed so long ago, taken by the chain of that run."""
    log = mark_of(owner) if owner and status == "PROCESSING" else None
    at = QUEUED_AT if status == "QUEUED" else NOW - changed
    return export_row(status=status, updated_at=at, log=log)


def run(state: RunState, ended: timedelta = HOUR / 2, **values: object) -> Run:
    """A run for the queueing of the row, that began long ago and ended so long ago."""
    begun: dict[str, object] = {"started_at": NOW - 4 * HOUR, "queued_at": QUEUED_AT}
    made = Run(id="run", root="run", state=state, **begun | values)  # type: ignore[arg-type]
    return made if made.is_active else replace(made, ended_at=NOW - ended)


def unbegun(ended: timedelta = MINUTE) -> Run:
    """A run that a code server has refused to begin."""
    return run(S.FAILED, ended, started_at=None)


def unbegun_again() -> Run:
    """The same for the row that was queued again."""
    return replace(unbegun(), queued_at=QUEUED_AT + MINUTE)


def at_work(silent: timedelta, *steps: str) -> Run:
    """A started run that has recorded nothing for so long, with these steps under way."""
    return run(S.STARTED, last_event_at=NOW - silent, steps=steps)


QUEUED, COMPLETED, FAILED = row("QUEUED"), row("COMPLETED"), row("FAILED")
CANCELLED, PROCESSING = row("CANCELLED"), row("PROCESSING")
TOUCHED = row("PROCESSING", SECOND)
OTHERS_TOUCH = row("PROCESSING", SECOND, owner="another")
UNMARKED = row("PROCESSING", owner=None)
REQUEUED = replace(QUEUED, updated_at=QUEUED_AT + MINUTE)
ANOTHERS = row("PROCESSING", owner="another")

TABLE: list[tuple[str, ExportRow | None, list[Run], Action]] = [
    ("a row that waits", QUEUED, [], Action.LAUNCH),
    ("its run waits", QUEUED, [run(S.QUEUED)], Action.LEAVE),
    ("its run is launched", QUEUED, [run(S.PENDING)], Action.LEAVE),
    ("its run failed", QUEUED, [run(S.FAILED, SECOND)], Action.FAIL),
    ("its run was terminated", QUEUED, [run(S.CANCELED, SECOND)], Action.CANCEL),
    ("its run found nothing to do", QUEUED, [run(S.SUCCEEDED)], Action.LAUNCH),
    ("its run could not begin", QUEUED, [unbegun()], Action.LAUNCH),
    ("its run could not begin just now", QUEUED, [unbegun(SECOND)], Action.LEAVE),
    ("none of many could begin", QUEUED, [unbegun()] * LAUNCHES_MAX, Action.FAIL),
    ("one less than many", QUEUED, [unbegun()] * (LAUNCHES_MAX - 1), Action.LAUNCH),
    ("an earlier one began", QUEUED, [unbegun(), run(S.FAILED)], Action.FAIL),
    ("queued again", REQUEUED, [run(S.FAILED, SECOND)], Action.LAUNCH),
    ("queued again, could not begin", REQUEUED, [unbegun_again(), run(S.FAILED)], Action.LAUNCH),
    (
        "queued again after many that could not begin",
        REQUEUED,
        [unbegun_again(), *[unbegun()] * LAUNCHES_MAX],
        Action.LAUNCH,
    ),
    ("queued again after a termination", REQUEUED, [run(S.CANCELED, SECOND)], Action.LAUNCH),
    ("queued again, its run waits", REQUEUED, [run(S.QUEUED), run(S.FAILED)], Action.LEAVE),
    # What Dagster promises to retry
    ("not recorded yet", QUEUED, [run(S.FAILED, SECOND, retry=R.UNKNOWN)], Action.LEAVE),
    ("never recorded", QUEUED, [run(S.FAILED, 11 * SECOND, retry=R.UNKNOWN)], Action.FAIL),
    ("promised", PROCESSING, [run(S.FAILED, 29 * SECOND, retry=R.PROMISED)], Action.LEAVE),
    ("missed", PROCESSING, [run(S.FAILED, 31 * SECOND, retry=R.PROMISED)], Action.ASK_RETRY),
    ("missed, published", COMPLETED, [run(S.FAILED, MINUTE, retry=R.PROMISED)], Action.ASK_RETRY),
    ("missed, queued", QUEUED, [run(S.FAILED, MINUTE, retry=R.PROMISED)], Action.ASK_RETRY),
    ("asked for", PROCESSING, [run(S.FAILED, MINUTE, retry=R.REQUESTED)], Action.LEAVE),
    ("asked for in vain", PROCESSING, [run(S.FAILED, HOUR, retry=R.REQUESTED)], Action.REQUEUE),
    ("promised in vain", PROCESSING, [run(S.FAILED, HOUR, retry=R.PROMISED)], Action.REQUEUE),
    ("promised in vain, queued", QUEUED, [run(S.FAILED, HOUR, retry=R.PROMISED)], Action.FAIL),
    # A row whose owner is known
    ("its run works", PROCESSING, [run(S.STARTED, last_event_at=NOW)], Action.LEAVE),
    ("failed without a sentence", PROCESSING, [run(S.FAILED, SECOND)], Action.FAIL),
    ("terminated, row not set", PROCESSING, [run(S.CANCELED, SECOND)], Action.CANCEL),
    ("touched after its end", TOUCHED, [run(S.FAILED, MINUTE)], Action.FAIL),
    ("succeeded just now", PROCESSING, [run(S.SUCCEEDED, 59 * SECOND)], Action.LEAVE),
    ("succeeded", PROCESSING, [run(S.SUCCEEDED, MINUTE)], Action.REQUEUE),
    ("succeeded, touched later", TOUCHED, [run(S.SUCCEEDED, MINUTE)], Action.LEAVE),
    ("re-executed", PROCESSING, [run(S.STARTED, last_event_at=NOW), run(S.FAILED)], Action.LEAVE),
    # A row whose owner is not known here
    ("nobody, not for long", row("PROCESSING", HOUR - SECOND, owner=None), [], Action.LEAVE),
    ("nobody, for long", row("PROCESSING", HOUR, owner=None), [], Action.REQUEUE),
    ("another's, for long", ANOTHERS, [], Action.REQUEUE),
    ("another's, not for long", row("PROCESSING", MINUTE, owner="another"), [], Action.LEAVE),
    ("another's, ours failed", ANOTHERS, [run(S.FAILED, HOUR / 2)], Action.LEAVE),
    ("another's, ours failed long ago", ANOTHERS, [run(S.FAILED, HOUR)], Action.REQUEUE),
    ("another's, ours was terminated", ANOTHERS, [run(S.CANCELED, HOUR)], Action.REQUEUE),
    ("no mark, ours was terminated", UNMARKED, [run(S.CANCELED, HOUR / 2)], Action.LEAVE),
    ("lost for the third time", UNMARKED, [run(S.FAILED, HOUR, recovery=2)], Action.REQUEUE),
    ("lost once too often", UNMARKED, [run(S.FAILED, HOUR, recovery=3)], Action.FAIL),
    # Runs that are dead
    ("silent in a step", PROCESSING, [at_work(5 * MINUTE, "scan")], Action.REPORT_DEAD),
    ("not yet", PROCESSING, [at_work(5 * MINUTE - SECOND, "scan")], Action.LEAVE),
    ("another keeps the row", OTHERS_TOUCH, [at_work(5 * MINUTE, "scan")], Action.REPORT_DEAD),
    ("reads for long", TOUCHED, [at_work(HOUR - SECOND, "scan")], Action.LEAVE),
    ("reads for too long", TOUCHED, [at_work(HOUR, "scan")], Action.REPORT_DEAD),
    ("uploads for long", TOUCHED, [at_work(12 * HOUR - SECOND, "upload_file")], Action.LEAVE),
    ("uploads for ever", TOUCHED, [at_work(12 * HOUR, "upload_file")], Action.REPORT_DEAD),
    ("between steps", PROCESSING, [at_work(HOUR - SECOND)], Action.LEAVE),
    ("between steps for long", PROCESSING, [at_work(HOUR)], Action.REPORT_DEAD),
    ("silent, its row failed", FAILED, [at_work(HOUR / 2, "scan")], Action.LEAVE),
    ("silent, its row is gone", None, [at_work(HOUR, "scan")], Action.REPORT_DEAD),
    ("silent and cancelled", CANCELLED, [at_work(HOUR, "scan")], Action.REPORT_DEAD),
    ("nothing recorded", PROCESSING, [run(S.STARTED, steps=("scan",))], Action.REPORT_DEAD),
    # Runs that nobody wants
    ("cancelled, at work", CANCELLED, [at_work(SECOND, "scan")], Action.STOP_RUN),
    ("cancelled, waits", CANCELLED, [run(S.QUEUED)], Action.STOP_RUN),
    ("cancelled, is stopped", CANCELLED, [run(S.CANCELING)], Action.LEAVE),
    ("cancelled, is launched", CANCELLED, [run(S.PENDING)], Action.LEAVE),
    ("the second one", CANCELLED, [run(S.CANCELING), run(S.QUEUED)], Action.STOP_RUN),
    ("deleted, waits", None, [run(S.QUEUED)], Action.STOP_RUN),
    ("made again by a person", COMPLETED, [run(S.QUEUED)], Action.LEAVE),
    ("backfilled", FAILED, [run(S.QUEUED)], Action.LEAVE),
    # What ended runs have left
    ("cancelled, not clean", CANCELLED, [run(S.CANCELED, is_clean=False)], Action.CLEAN_UP),
    ("failed, not clean", FAILED, [run(S.FAILED, is_clean=False)], Action.CLEAN_UP),
    ("published, not clean", COMPLETED, [run(S.CANCELED, is_clean=False)], Action.CLEAN_UP),
    ("deleted, not clean", None, [run(S.FAILED, is_clean=False)], Action.CLEAN_UP),
    ("first the row", PROCESSING, [run(S.FAILED, is_clean=False)], Action.FAIL),
    ("another is at work", FAILED, [run(S.QUEUED), run(S.FAILED, is_clean=False)], Action.LEAVE),
    (
        "first its retry",
        COMPLETED,
        [run(S.FAILED, SECOND, retry=R.PROMISED, is_clean=False)],
        Action.LEAVE,
    ),
    # What has ended
    ("completed", COMPLETED, [run(S.SUCCEEDED)], Action.LEAVE),
    ("completed, then failed", COMPLETED, [run(S.FAILED)], Action.LEAVE),
    ("failed", FAILED, [run(S.FAILED)], Action.LEAVE),
    ("cancelled", CANCELLED, [run(S.CANCELED)], Action.LEAVE),
    ("deleted", None, [run(S.FAILED)], Action.LEAVE),
    ("a status that Langfuse may add", row("PAUSED"), [], Action.LEAVE),
]


@pytest.mark.parametrize(
    ("found", "runs", "action"), [line[1:] for line in TABLE], ids=[line[0] for line in TABLE]
)
def test_row_and_runs_decide_what_happens(
    found: ExportRow | None, runs: list[Run], action: Action
) -> None:
    assert decide(found, runs, NOW, LIMITS).action is action


@pytest.mark.parametrize("export_id", ["a,b", "a...b", "a\nb", "", "x" * 300])
@pytest.mark.parametrize("runs", [[], [run(S.SUCCEEDED)]])
def test_id_that_no_partition_can_have_fails_with_a_sentence(
    export_id: str, runs: list[Run]
) -> None:
    decision = decide(replace(QUEUED, id=export_id), runs, NOW, LIMITS)

    assert (decision.action, decision.user_message) == (Action.FAIL, BAD_ID_MESSAGE)


@pytest.mark.parametrize(
    ("found", "last", "sentence", "owner"),
    [
        (PROCESSING, run(S.FAILED), GENERIC_USER_MESSAGE, "run"),
        (QUEUED, run(S.FAILED), GENERIC_USER_MESSAGE, None),
        (UNMARKED, run(S.FAILED, HOUR, recovery=3), give_up_message(3), None),
        (ANOTHERS, run(S.FAILED, HOUR, recovery=3), give_up_message(3), None),
    ],
)
def test_failure_says_why_and_is_guarded_by_the_row_as_it_was_seen(
    found: ExportRow, last: Run, sentence: str, owner: str | None
) -> None:
    decision = decide(found, [last], NOW, LIMITS)

    assert decision.user_message == sentence
    assert decision.claim == Claim(owner=owner, unchanged_since=found.updated_at)


def test_recoveries_are_counted_from_one() -> None:
    assert decide(UNMARKED, [], NOW, LIMITS).recovery == 1
    assert decide(UNMARKED, [run(S.FAILED, HOUR, recovery=2)], NOW, LIMITS).recovery == 3


@pytest.mark.parametrize(
    ("found", "began", "is_needed"),
    [
        (PROCESSING, 5 * MINUTE - SECOND, False),
        (PROCESSING, 5 * MINUTE, True),
        (TOUCHED, HOUR - SECOND, False),
        (TOUCHED, HOUR, True),
        (OTHERS_TOUCH, 5 * MINUTE, True),
        (None, 5 * MINUTE, True),
    ],
)
def test_history_is_read_only_of_runs_that_may_be_dead(
    found: ExportRow | None, began: timedelta, is_needed: bool
) -> None:
    started = run(S.STARTED, started_at=NOW - began)

    assert needs_history(found, started, NOW, LIMITS) is is_needed
    assert not needs_history(found, run(S.QUEUED, started_at=None), NOW, LIMITS)
