"""The sensor and the jobs of standing exports, on rows and records in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.defs.schedule_jobs import (
    StandingExportsConfig,
    schedule_export,
    standing_exports,
)
from lf_export_pipeline.defs.standing_exports import (
    NOTHING,
    queue_standing_exports,
    summary_of,
    tell_of_pauses,
)
from lf_export_pipeline.notify.channels import Notification, Occasion
from lf_export_pipeline.schedules.requests import Action, ScheduleConfig, change
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.unit.schedules.standing_world import StandingWorld
from lf_export_pipeline_tests.world import ENVIRONMENT

HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[StandingWorld]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield StandingWorld(instance)


def run(job: dg.JobDefinition, world: StandingWorld, **config: Any) -> dg.ExecuteInProcessResult:
    (op,) = (node.name for node in job.nodes)
    return job.execute_in_process(
        run_config={"ops": {op: {"config": config}}},
        resources={"export_rows": world.rows, "settings": Settings.load(ENVIRONMENT)},
        instance=world.instance,
        raise_on_error=False,
    )


def report(result: dg.ExecuteInProcessResult) -> str:
    events = result.all_events
    (event,) = (each for each in events if each.event_type_value == "STEP_OUTPUT")
    return str(event.step_output_data.metadata["report"].value)


def state(result: dg.ExecuteInProcessResult) -> str:
    """Of the one that the report of a run is about."""
    (line,) = (line for line in report(result).splitlines() if line.startswith("| state |"))
    return line.split("|")[2].strip()


def test_the_launchpad_makes_lists_pauses_and_removes_a_standing_export(
    world: StandingWorld,
) -> None:
    made = run(schedule_export, world, export_id="original", cron="@hourly", window="since-last")
    assert made.success
    ((standing, _),) = world.kept.all()
    assert standing.id in report(made)

    assert "since-last" in report(run(standing_exports, world))
    assert state(run(standing_exports, world, action="PAUSE", ids=[standing.id])) == "paused"
    assert state(run(standing_exports, world, action="RESUME", ids=[standing.id])) == "active"
    assert state(run(standing_exports, world, action="REMOVE", ids=[standing.id])) == "removed"

    assert report(run(standing_exports, world)) == "There are no standing exports."


def test_what_is_wrong_is_the_sentence_of_the_run(world: StandingWorld) -> None:
    failed = run(schedule_export, world, export_id="original", cron="x", window="since-last")

    assert not failed.success
    (event,) = (each for each in failed.all_events if each.is_step_failure)
    assert "'x' is not a cron expression" in event.step_failure_data.error_display_string


@pytest.mark.parametrize(
    ("job", "config"),
    [(schedule_export, ScheduleConfig), (standing_exports, StandingExportsConfig)],
)
def test_the_launchpad_shows_every_field(job: dg.JobDefinition, config: type[dg.Config]) -> None:
    """It scaffolds what has a default to show, and says what a field is for."""
    (op,) = job.nodes
    shown = job.run_config["ops"][op.name]["config"] if job.run_config else {}

    assert set(shown) == set(config.model_fields)
    assert all(each.description for each in config.model_fields.values())


def test_a_tick_without_standing_exports_asks_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(ENVIRONMENT)
    monkeypatch.setattr(Settings, "load", lambda: settings)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance) as context:
        skipped = queue_standing_exports(context)

    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "There are no standing exports."


def test_a_tick_says_what_was_queued(world: StandingWorld) -> None:
    standing = world.schedule()

    assert summary_of(world.tick()) == NOTHING
    said = summary_of(world.tick(HOUR))

    assert said == (
        f"Exports queued: 1. {standing.id}: queued {standing.id}-20310318T000000Z, "
        "Slow traces 2031-03-18"
    )


@dataclass
class Told:
    """A channel that keeps what it is given."""

    name: str
    error: Exception | None = None
    tag: str = "none"
    told: list[Notification] = field(default_factory=list)

    def wants(self, occasion: Occasion) -> bool:
        return occasion is Occasion.PAUSED

    def send(self, notification: Notification) -> None:
        if self.error:
            raise self.error
        self.told.append(notification)


def paused(world: StandingWorld) -> str:
    standing = world.schedule(cron="@hourly", window="since-last", name="Each hour")
    for _ in range(3):
        world.tick(HOUR)
        world.end("FAILED", "The bucket was full.")
    world.tick(HOUR)
    return standing.id


def test_each_channel_is_told_once_that_one_has_paused_itself(world: StandingWorld) -> None:
    paused(world)
    mail, webhook = Told("e-mail"), Told("webhook", error=TransientError("It is down."))

    tell_of_pauses(world.kept, world.rows, lambda: [mail, webhook])
    assert world.progress.owed == ("webhook",)
    webhook.error = None
    tell_of_pauses(world.kept, world.rows, lambda: [mail, webhook])
    tell_of_pauses(world.kept, world.rows, lambda: pytest.fail("Nothing is owed."))

    ((by_mail,), (by_webhook,)) = mail.told, webhook.told
    assert by_mail == by_webhook
    assert by_mail.name == "Each hour"
    assert by_mail.row.url is None
    assert by_mail.row.log == ("Its last 3 exports failed, the newest with: The bucket was full.")


def test_nobody_is_told_of_a_pause_that_is_over(world: StandingWorld) -> None:
    standing_id, mail = paused(world), Told("e-mail")
    change(world.kept, Action.RESUME, [standing_id], world.now)

    assert tell_of_pauses(world.kept, world.rows, lambda: [mail]) == []
    assert mail.told == []


def test_what_was_resumed_can_pause_itself_again(world: StandingWorld) -> None:
    standing_id, mail = paused(world), Told("e-mail")
    change(world.kept, Action.RESUME, [standing_id], world.now)
    for _ in range(4):
        world.tick(HOUR)
        world.end("FAILED", "Again.")

    tell_of_pauses(world.kept, world.rows, lambda: [mail])

    assert [one.row.log for one in mail.told] == [replace(mail.told[0].row).log]
    assert "Again." in str(mail.told[0].row.log)
