"""E-mails that no server has taken when their export was finished: sent later, once, if at all."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    MessageDeferredError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.late_email_job import SEND_UNSENT_EMAILS, send_unsent_emails_schedule
from lf_export_pipeline.defs.ops import notify_requester
from lf_export_pipeline.lifecycle.partitions import EMAIL_TAG
from lf_export_pipeline.lifecycle.retries import WILL_RETRY_TAG
from lf_export_pipeline.notify import outbox
from lf_export_pipeline_tests.fakes import OutboxMailer
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

AWAY = TransientError("The mail server is away.")
LOCKED = ConfigurationError("The mail server refuses the sign-in.")
LOST = AnswerLostError("The answer was lost.")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_requester, "RETRY_SECONDS", (0.0, 0.0))


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """One in memory, which a schedule could not open by its address; on the disk it costs 2 s."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        seen = property(lambda _: ephemeral)
        monkeypatch.setattr(dg.ScheduleEvaluationContext, "instance", seen)
        yield ephemeral


def finished_without_email(
    instance: dg.DagsterInstance, error: ExportError = AWAY
) -> tuple[World, str]:
    """An export whose mail server was away all the while, and the id of its run."""
    world = World(export_row())
    world.mailer.failures = [error] * 3
    result = world.run(instance)
    assert result.success
    assert not world.mailer.sent
    world.mailer.failures.clear()
    return world, result.run_id


def email_of(instance: dg.DagsterInstance, run_id: str) -> str | None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.tags.get(EMAIL_TAG)


def send(world: World, instance: dg.DagsterInstance) -> None:
    resources = world.resources()
    needed = {name: resources[name] for name in ("mailer", "export_rows", "settings")}
    assert SEND_UNSENT_EMAILS.execute_in_process(instance=instance, resources=needed).success


def is_asked_for(_: dg.DagsterInstance) -> bool:
    with dg.build_schedule_context() as context:
        return isinstance(send_unsent_emails_schedule(context), dg.RunRequest)


@pytest.mark.parametrize("error", [AWAY, LOCKED], ids=["away", "locked"])
def test_email_that_was_not_taken_is_sent_once_when_the_server_is_back(
    error: ExportError, instance: dg.DagsterInstance
) -> None:
    world, run_id = finished_without_email(instance, error)
    assert email_of(instance, run_id) == "unsent"
    assert is_asked_for(instance)

    send(world, instance)
    send(world, instance)

    (message,) = world.mailer.sent
    assert message["To"] == "alice@example.test"
    assert email_of(instance, run_id) == "sent"
    assert not is_asked_for(instance)


def test_nothing_is_asked_for_where_every_email_was_sent(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    result = world.run(instance)

    assert email_of(instance, result.run_id) == "sent"
    assert not is_asked_for(instance)


def test_of_several_emails_the_first_that_is_not_taken_lets_the_others_wait(
    instance: dg.DagsterInstance,
) -> None:
    world, first = finished_without_email(instance)
    other, second = finished_without_email_of("export-2", world, instance)
    other.mailer.failures = [AWAY]

    send(other, instance)

    assert not other.mailer.failures
    assert not other.mailer.sent
    assert [email_of(instance, run) for run in (first, second)] == ["unsent", "unsent"]
    send(other, instance)
    assert len(other.mailer.sent) == 2


def test_email_that_the_server_does_not_take_for_now_keeps_no_other_from_being_sent(
    instance: dg.DagsterInstance,
) -> None:
    world, first = finished_without_email(instance)
    other, second = finished_without_email_of("export-2", world, instance)
    other.mailer.failures = [MessageDeferredError("The mailbox is full.")]

    send(other, instance)

    assert [email_of(instance, run) for run in (first, second)] == ["unsent", "sent"]
    assert is_asked_for(instance)


def test_run_that_was_started_again_hides_no_email_behind_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PAGE_RUNS", 1)
    retried = {EMAIL_TAG: "unsent", WILL_RETRY_TAG: "true"}
    for _ in range(3):
        instance.create_run_for_job(
            batch_export_job(), status=dg.DagsterRunStatus.FAILURE, tags=retried
        )
    assert not is_asked_for(instance)

    world, run_id = finished_without_email(instance)

    assert is_asked_for(instance)
    send(world, instance)
    assert email_of(instance, run_id) == "sent"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_no_second_run_is_asked_for_while_one_has_not_ended(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    finished_without_email(instance)

    instance.create_run_for_job(SEND_UNSENT_EMAILS, status=status)

    assert not is_asked_for(instance)


def test_run_that_begins_while_another_sends_leaves_the_emails_to_that_one(
    instance: dg.DagsterInstance,
) -> None:
    world, run_id = finished_without_email(instance)
    other = instance.create_run_for_job(SEND_UNSENT_EMAILS)
    begun = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, other.job_name)
    instance.report_dagster_event(begun, other.run_id)

    send(world, instance)

    assert not world.mailer.sent
    instance.report_run_failed(other)
    send(world, instance)
    assert len(world.mailer.sent) == 1
    assert email_of(instance, run_id) == "sent"


def finished_without_email_of(
    export_id: str, earlier: World, instance: dg.DagsterInstance
) -> tuple[World, str]:
    """The same for another export, in a world that knows both rows."""
    world = World(export_row(export_id))
    world.rows.add(earlier.state)
    world.mailer.failures = [AWAY] * 3
    return world, world.run(instance).run_id


def test_late_email_whose_answer_is_lost_is_repeated_once(instance: dg.DagsterInstance) -> None:
    world, run_id = finished_without_email(instance)
    world.mailer.failures = [LOST, LOST]

    send(world, instance)
    assert email_of(instance, run_id) == "unanswered"
    send(world, instance)

    assert email_of(instance, run_id) == "sent"
    assert not world.mailer.failures
    assert not is_asked_for(instance)


def test_email_that_the_run_has_handed_over_in_vain_is_repeated_once_by_the_schedule(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    world.mailer.failures = [LOST, AWAY, AWAY]
    run_id = world.run(instance).run_id
    assert email_of(instance, run_id) == "unanswered"
    world.mailer.failures = [LOST]

    send(world, instance)

    assert email_of(instance, run_id) == "sent"
    assert not is_asked_for(instance)


def test_server_that_refuses_the_message_for_good_is_not_asked_again(
    instance: dg.DagsterInstance,
) -> None:
    world, run_id = finished_without_email(instance)
    world.mailer.failures = [PermanentError("The mail server refuses the e-mail (reply 550).")]

    send(world, instance)

    assert not world.mailer.sent
    assert email_of(instance, run_id) == "none"


def test_who_has_set_up_no_mail_server_waits_for_no_email(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.mailer = OutboxMailer(configured=False)
    world.mailer.failures = [ConfigurationError("No e-mail can be sent.")]

    result = world.run(instance)

    assert email_of(instance, result.run_id) == "none"
    assert not is_asked_for(instance)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "CANCELLED"},
        {"status": "QUEUED", "url": None, "finished_at": None, "expires_at": None},
        {"url": None},
        {"expires_at": datetime.now(UTC) - timedelta(minutes=1)},
        {"url": "https://bucket.test/exports/of-another-run.csv"},
        {"user_id": "u-nobody"},
    ],
    ids=["cancelled", "queued again", "no link", "expired", "made once more", "left"],
)
def test_nobody_is_told_of_what_is_over(
    change: dict[str, object], instance: dg.DagsterInstance
) -> None:
    world, run_id = finished_without_email(instance)
    world.rows.add(replace(world.state, **change))  # type: ignore[arg-type]

    send(world, instance)

    assert not world.mailer.sent
    assert email_of(instance, run_id) == "none"


def test_row_that_is_gone_is_told_to_nobody(instance: dg.DagsterInstance) -> None:
    world, run_id = finished_without_email(instance)
    world.rows.rows.clear()

    send(world, instance)

    assert not world.mailer.sent
    assert email_of(instance, run_id) == "none"
