"""Notifications that runs owe: each is sent once, later if need be, and given up in the end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
from lf_export_pipeline.defs import notifications
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.notifications import send_owed
from lf_export_pipeline.file.attempt_folder import STORED, AttemptFolder
from lf_export_pipeline.lifecycle.notices import (
    CHANNEL_TAGS,
    EMAIL_TAG,
    TOLD_OF,
    WEBHOOK_TAG,
    owe_failure,
    owe_ready,
)
from lf_export_pipeline.lifecycle.partitions import OBJECT_TAG, PARTITION_TAG
from lf_export_pipeline.notify import outbox
from lf_export_pipeline.notify.channels import Channel, Notification, Occasion
from lf_export_pipeline.notify.outbox import Outbox, Outcome, Sent, open_channels
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import OutboxMailer
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT, World

AWAY = TransientError("The mail server is away.")
LOCKED = ConfigurationError("The mail server refuses the sign-in.")
LOST = AnswerLostError("The answer was lost.")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def finished_without_email(
    instance: dg.DagsterInstance, error: ExportError = AWAY, world: World | None = None
) -> tuple[World, str]:
    """An export whose mail server did not take its e-mail, and the id of its run."""
    world = world or World(export_row())
    world.mailer.failures = [error]
    result = world.run(instance)
    assert result.success
    assert not world.mailer.sent
    world.mailer.failures.clear()
    return world, result.run_id


def after(world: World, export_id: str) -> World:
    """The same for another export, in a world that knows both rows."""
    other = World(export_row(export_id))
    other.rows.rows[world.state.id] = world.state
    return other


def state_of(instance: dg.DagsterInstance, run_id: str, tag: str = EMAIL_TAG) -> str | None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.tags.get(tag)


def send(world: World, instance: dg.DagsterInstance, **environment: str) -> list[Outcome]:
    """One tick of the sensor."""
    settings = Settings.load(ENVIRONMENT | world.environment | environment)
    channels = open_channels(world.mailer, world.rows, settings)
    return send_owed(instance, world.rows, channels, world.spool)[0]


@dataclass
class Pager:
    """A channel of somebody's own; ``errors`` are raised one after another."""

    name: str = "pager"
    tag: str = WEBHOOK_TAG
    errors: list[ExportError] = field(default_factory=list)
    told: list[Notification] = field(default_factory=list)

    def wants(self, occasion: Occasion) -> bool:  # noqa: ARG002
        return True

    def send(self, notification: Notification) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(notification)


def test_each_channel_is_among_those_that_are_told() -> None:
    world = World(export_row())
    channels = open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))
    assert {channel.name: channel.tag for channel in channels} == CHANNEL_TAGS


def is_owed(world: World, instance: dg.DagsterInstance) -> bool:
    channels = open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))
    return bool(Outbox(instance, world.rows, channels).owing(1))


@pytest.mark.parametrize("error", [AWAY, LOCKED], ids=["away", "locked"])
def test_email_that_was_not_taken_is_sent_once_when_the_server_is_back(
    error: ExportError, instance: dg.DagsterInstance
) -> None:
    world, run_id = finished_without_email(instance, error)
    assert state_of(instance, run_id) == "owed"

    send(world, instance)
    send(world, instance)

    (message,) = world.mailer.sent
    assert message["To"] == "alice@example.test"
    assert state_of(instance, run_id) == "sent"
    assert not is_owed(world, instance)


def test_email_of_a_good_run_is_sent_at_once(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    result = world.run(instance)

    assert len(world.mailer.sent) == 1
    assert state_of(instance, result.run_id) == "sent"
    assert state_of(instance, result.run_id, WEBHOOK_TAG) == "none"
    assert not is_owed(world, instance)


def test_email_says_how_many_rows_and_bytes_the_file_has(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.run(instance)

    (message,) = world.mailer.sent
    body = message.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Rows: 10" in text
    assert f"Size: {len(world.text)} bytes" in text


def test_first_email_that_is_not_taken_lets_the_others_wait(instance: dg.DagsterInstance) -> None:
    world, first = finished_without_email(instance)
    other, second = finished_without_email(instance, world=after(world, "export-2"))
    other.mailer.failures = [AWAY]

    send(other, instance)

    assert not other.mailer.failures
    assert [state_of(instance, run) for run in (first, second)] == ["owed", "owed"]
    send(other, instance)
    assert len(other.mailer.sent) == 2


def test_email_that_is_not_taken_for_now_keeps_no_other_from_being_sent(
    instance: dg.DagsterInstance,
) -> None:
    world, first = finished_without_email(instance)
    other, second = finished_without_email(instance, world=after(world, "export-2"))
    other.mailer.failures = [MessageDeferredError("The mailbox is full.")]

    send(other, instance)

    assert [state_of(instance, run) for run in (first, second)] == ["owed", "sent"]


@pytest.mark.parametrize("is_late", [False, True])
def test_email_whose_answer_is_lost_counts_as_sent(
    is_late: bool, instance: dg.DagsterInstance
) -> None:
    world = World(export_row())
    world.mailer.failures = [AWAY, LOST] if is_late else [LOST]
    run_id = world.run(instance).run_id
    if is_late:
        send(world, instance)

    assert state_of(instance, run_id) == "sent"
    send(world, instance)
    assert not world.mailer.sent


def test_email_that_the_server_refuses_for_good_is_given_up(instance: dg.DagsterInstance) -> None:
    world, run_id = finished_without_email(instance)
    world.mailer.failures = [PermanentError("The mail server refuses the e-mail (reply 550).")]

    send(world, instance)

    assert not world.mailer.sent
    assert state_of(instance, run_id) == "none"


def test_without_a_mail_server_nothing_is_owed(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.mailer = OutboxMailer(configured=False)

    result = world.run(instance)

    assert state_of(instance, result.run_id) == "none"
    assert not is_owed(world, instance)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "CANCELLED"},
        {"url": None},
        {"expires_at": datetime.now(UTC) - timedelta(minutes=1)},
        {"url": "https://bucket.test/exports/of-another-run.csv"},
        {"user_id": "u-nobody"},
    ],
    ids=["cancelled", "no link", "expired", "made once more", "left"],
)
def test_nobody_is_told_of_what_is_over(
    change: dict[str, object], instance: dg.DagsterInstance
) -> None:
    world, run_id = finished_without_email(instance)
    world.rows.rows[world.state.id] = replace(world.state, **change)  # type: ignore[arg-type]

    send(world, instance)

    assert not world.mailer.sent
    assert state_of(instance, run_id) == "none"


def test_row_that_is_gone_is_told_to_nobody(instance: dg.DagsterInstance) -> None:
    world, run_id = finished_without_email(instance)
    world.rows.rows.clear()

    send(world, instance)

    assert state_of(instance, run_id) == "none"


@pytest.mark.parametrize("state", ["unsent", "unanswered"])
def test_email_that_an_older_version_owes_is_sent(state: str, instance: dg.DagsterInstance) -> None:
    world, run_id = finished_without_email(instance)
    instance.add_run_tags(run_id, {EMAIL_TAG: state})

    send(world, instance)

    assert len(world.mailer.sent) == 1


def test_run_whose_attempt_goes_on_leaves_the_email_to_that(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PAGE_RUNS", 1)
    world, run_id = finished_without_email(instance)
    again = instance.create_run_for_job(
        batch_export_job(),
        tags={PARTITION_TAG: "export-1"},
        root_run_id=run_id,
        parent_run_id=run_id,
    )
    other, second = finished_without_email(instance, world=after(world, "export-2"))

    send(other, instance)
    assert [state_of(instance, run) for run in (run_id, second)] == ["owed", "sent"]
    instance.report_run_failed(again)
    send(other, instance)

    assert state_of(instance, run_id) == "sent"
    assert len(other.mailer.sent) == 2


def test_email_that_another_run_of_the_attempt_has_sent_is_not_sent_again(
    instance: dg.DagsterInstance,
) -> None:
    world, run_id = finished_without_email(instance)
    run = instance.get_run_by_id(run_id)
    assert run
    known = {PARTITION_TAG: "export-1", f"{EMAIL_TAG}{TOLD_OF}": run.tags[OBJECT_TAG]}
    instance.create_run_for_job(batch_export_job(), status=dg.DagsterRunStatus.SUCCESS, tags=known)

    send(world, instance)

    assert not world.mailer.sent
    assert state_of(instance, run_id) == "sent"


def failed(instance: dg.DagsterInstance, **values: Any) -> tuple[World, str]:
    """An export that a run has failed."""
    row = export_row(
        status="FAILED", log="No such column.", finished_at=datetime.now(UTC), **values
    )
    run = instance.create_run_for_job(
        batch_export_job(), status=dg.DagsterRunStatus.FAILURE, tags={PARTITION_TAG: row.id}
    )
    owe_failure(instance, run.run_id)
    return World(row), run.run_id


def test_failure_is_told_by_e_mail_with_its_sentence(instance: dg.DagsterInstance) -> None:
    world, run_id = failed(instance)

    send(world, instance)
    send(world, instance)

    (message,) = world.mailer.sent
    assert message["Subject"] == "Your data export failed: My numbers"
    assert "No such column." in message.as_string()
    assert state_of(instance, run_id) == "sent"


def test_failure_is_not_mailed_where_that_is_switched_off(instance: dg.DagsterInstance) -> None:
    world, run_id = failed(instance)

    send(world, instance, LF_EXPORT_MAIL_ON_FAILURE="false")

    assert not world.mailer.sent
    assert state_of(instance, run_id) == "none"


@pytest.mark.parametrize(
    "change",
    [{"status": "CANCELLED"}, {"finished_at": datetime.now(UTC) - timedelta(days=2)}],
    ids=["cancelled", "long ago"],
)
def test_failure_that_is_over_is_told_to_nobody(
    change: dict[str, object], instance: dg.DagsterInstance
) -> None:
    world, run_id = failed(instance)
    world.rows.rows[world.state.id] = replace(world.state, **change)  # type: ignore[arg-type]

    send(world, instance)

    assert not world.mailer.sent
    assert state_of(instance, run_id) == "none"


@pytest.mark.parametrize("status", ["QUEUED", "PROCESSING"])
def test_what_is_owed_waits_until_the_export_has_ended(
    status: str, instance: dg.DagsterInstance
) -> None:
    """The sensor may look between the death of a run and the change of its row."""
    world, run_id = failed(instance)
    ended, open_row = world.state, replace(world.state, status=status)
    world.rows.rows[ended.id] = open_row

    send(world, instance)
    assert (world.mailer.sent, state_of(instance, run_id)) == ([], "owed")
    world.rows.rows[ended.id] = ended
    send(world, instance)

    assert (len(world.mailer.sent), state_of(instance, run_id)) == (1, "sent")


def subjects(world: World) -> list[str]:
    return [str(message["Subject"]) for message in world.mailer.sent]


def test_export_that_fails_as_it_is_published_is_told_to_have_failed(
    instance: dg.DagsterInstance,
) -> None:
    """The run has named the file by then; see ``upload_file``."""
    world, run_id = failed(instance)
    owe_ready(instance, run_id, "exports/never.csv", rows=1, size=1)

    send(world, instance)

    assert subjects(world) == ["Your data export failed: My numbers"]


def test_runs_that_have_failed_together_tell_it_once(instance: dg.DagsterInstance) -> None:
    world, _ = failed(instance)
    _, second = failed(instance)

    send(world, instance)
    send(world, instance)

    assert len(world.mailer.sent) == 1
    assert state_of(instance, second) == "sent"


def test_file_is_told_of_though_a_failure_before_was_told(instance: dg.DagsterInstance) -> None:
    """An attempt is resumed whose run had stored its file and could not publish it."""
    world, run_id = failed(instance)
    folder = AttemptFolder.of(world.spool, "export-1", run_id)
    folder.write(STORED, Sent())  # any value: what counts is that the file is stored
    send(world, instance)
    key, link = "exports/1931774400123-a.csv", "https://bucket.test/exports/1931774400123-a.csv"
    again = instance.create_run_for_job(
        batch_export_job(),
        status=dg.DagsterRunStatus.SUCCESS,
        tags={PARTITION_TAG: "export-1", EMAIL_TAG: "sent", OBJECT_TAG: key},
        root_run_id=run_id,
        parent_run_id=run_id,
    )
    owe_ready(instance, again.run_id, key, rows=1, size=1)
    world.rows.rows["export-1"] = replace(
        world.state, status="COMPLETED", url=link, log=None, expires_at=None
    )

    send(world, instance)
    send(world, instance)

    assert subjects(world)[0] == "Your data export failed: My numbers"
    assert len(world.mailer.sent) == 2
    assert state_of(instance, again.run_id) == "sent"


def test_tick_goes_by_the_tags_that_a_run_has_when_it_is_its_turn(
    instance: dg.DagsterInstance,
) -> None:
    """A tick that Dagster has given up goes on beside the next one."""
    world, first = failed(instance)
    other, second = finished_without_email(instance, world=after(world, "export-2"))

    class Slow(Pager):
        def send(self, notification: Notification) -> None:
            super().send(notification)
            instance.add_run_tags(second, {self.tag: "sent"})

    pager = Slow(tag=EMAIL_TAG)
    send_owed(instance, other.rows, [pager], other.spool)

    assert [told.row.id for told in pager.told] == ["export-1"]
    assert state_of(instance, first) == "sent"


def test_tick_leaves_to_the_next_one_what_it_has_no_time_for(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By channel: a slow one takes nothing from the other."""
    monkeypatch.setattr(notifications, "SEND_WITHIN", 1.0)
    world, first = failed(instance)
    other = after(world, "export-2")
    second = finished_without_email(instance, world=other)[1]
    instance.add_run_tags(second, {WEBHOOK_TAG: "owed"})

    class Slow(Pager):
        def send(self, notification: Notification) -> None:
            time.sleep(notifications.SEND_WITHIN + 0.1)
            super().send(notification)

    slow, quick = Slow("e-mail", EMAIL_TAG), Pager()
    _, last = send_owed(instance, other.rows, [slow, quick], other.spool)

    assert last == first  # the next tick begins behind it

    assert [told.row.id for told in slow.told] == ["export-1"]
    assert [told.row.id for told in quick.told] == ["export-1", "export-2"]
    assert [state_of(instance, run) for run in (first, second)] == ["sent", "owed"]


def test_what_one_channel_has_told_of_says_nothing_of_the_other(
    instance: dg.DagsterInstance,
) -> None:
    """The first failure was mailed; its run tells the webhook of the second one."""
    world, first = failed(instance)
    instance.add_run_tags(first, {EMAIL_TAG: "sent", f"{EMAIL_TAG}{TOLD_OF}": "an earlier failure"})
    failed(instance)
    mail, *_ = open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))
    pager = Pager()

    send_owed(instance, world.rows, [mail, pager], world.spool)

    assert (len(world.mailer.sent), len(pager.told)) == (1, 1)


def test_tick_that_finds_another_one_at_work_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with notifications._sending, dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        result = notifications.send_notifications(context)

    assert isinstance(result, dg.SkipReason)
    assert "still waits" in str(result.skip_message)


def test_run_that_fails_owes_a_failure(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.files.failures = [PermanentError("The bucket refuses it.")]
    result = world.run(instance)
    assert state_of(instance, result.run_id) == "owed"

    send(world, instance)

    (message,) = world.mailer.sent
    assert "The bucket refuses it." in message.as_string()


def test_channels_are_told_apart_and_one_that_is_down_does_not_hold_up_the_others(
    instance: dg.DagsterInstance,
) -> None:
    world, run_id = failed(instance)
    pager = Pager(errors=[AWAY])
    mail, *_ = open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))
    channels: list[Channel] = [pager, mail]

    send_owed(instance, world.rows, channels, world.spool)
    assert (state_of(instance, run_id), len(world.mailer.sent)) == ("sent", 1)
    assert (state_of(instance, run_id, WEBHOOK_TAG), pager.told) == ("owed", [])
    send_owed(instance, world.rows, channels, world.spool)

    assert (len(world.mailer.sent), len(pager.told)) == (1, 1)
    assert pager.told[0].occasion is Occasion.FAILED
    assert not is_owed(world, instance)


def turns(
    world: World, instance: dg.DagsterInstance, channels: list[Channel], ticks: int
) -> list[str]:
    """The last run of each tick."""
    last: list[str] = []
    for _ in range(ticks):
        behind = last[-1] if last else None
        last.append(send_owed(instance, world.rows, channels, world.spool, behind)[1])
    return last


@pytest.mark.parametrize("error", [MessageDeferredError("The mailbox is full."), AWAY], ids=str)
def test_more_messages_than_a_tick_tries_keep_no_other_from_being_sent(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, error: ExportError
) -> None:
    """The first one is not taken for days; the pager waits behind it with another run."""
    monkeypatch.setattr(notifications, "RUNS_PER_TICK", 1)
    world, first = finished_without_email(instance)
    other = after(world, "export-2")
    second = other.run(instance).run_id
    instance.add_run_tags(second, {WEBHOOK_TAG: "owed"})
    pager = Pager()
    mail, *_ = open_channels(other.mailer, other.rows, Settings.load(ENVIRONMENT))
    other.mailer.failures = [error] * 9

    last = turns(other, instance, [mail, pager], ticks=3)

    assert state_of(instance, first) == "owed"
    assert (len(pager.told), state_of(instance, second, WEBHOOK_TAG)) == (1, "sent")
    assert last == [first, second, first]


def test_after_a_run_that_was_deleted_the_oldest_has_its_turn(
    instance: dg.DagsterInstance,
) -> None:
    world, first = finished_without_email(instance)
    channels = open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))
    gone = World(export_row("export-2")).run(instance).run_id
    instance.delete_run(gone)

    assert [run.run_id for run in Outbox(instance, world.rows, channels).owing(9, gone)] == [first]
