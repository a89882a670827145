"""What can go wrong once an export is COMPLETED: one e-mail at most, and a run that ends well."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import BinaryIO

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    TransientError,
)
from lf_export_pipeline.defs.ops import notify_requester
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG, TOLD_OF
from lf_export_pipeline.notify.outbox import Outbox, Sent, open_channels
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemorySpool, OutboxMailer
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT, World

OUTAGE = TransientError("The spool failed.")
REFUSAL = ConfigurationError("The spool cannot be written.")
AWAY = TransientError("The mail server is away.")
LOST = AnswerLostError("The answer was lost.")
ALWAYS = 99


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_requester, "RETRY_SECONDS", (0.0, 0.0))


class FailingSpool(MemorySpool):
    """A spool that fails so many times at the mark of the e-mail, or at the clean-up."""

    def __init__(self, error: ExportError, **times: int) -> None:
        super().__init__()
        self.error = error
        self.left = Counter(times)

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        self._fail("create", path)
        with super().create(path) as file:
            yield file

    def exists(self, path: str) -> bool:
        self._fail("exists", path)
        return super().exists(path)

    def remove(self, folder: str) -> None:
        self._fail("remove", "notified.json")
        super().remove(folder)

    def _fail(self, use: str, path: str) -> None:
        if path.endswith("notified.json") and self.left[use]:
            self.left[use] -= 1
            raise self.error


def warnings_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [log.user_message for log in instance.all_logs(run_id) if log.level == logging.WARNING]


@pytest.mark.parametrize("error", [OUTAGE, REFUSAL], ids=["outage", "refusal"])
@pytest.mark.parametrize(
    "times",
    [
        {"create": 1},
        {"create": ALWAYS},
        {"exists": 1},
        {"exists": 2},
        {"exists": ALWAYS},
        {"remove": 1},
        {"remove": ALWAYS},
        {"create": ALWAYS, "remove": 1},
        {"create": 1, "exists": 1, "remove": 1},
        {"create": ALWAYS, "exists": ALWAYS, "remove": ALWAYS},
    ],
    ids=str,
)
def test_one_mail_is_sent_however_the_spool_fails(
    times: dict[str, int], error: ExportError, instance: dg.DagsterInstance
) -> None:
    world = World(export_row())
    world.spool = FailingSpool(error, **times)

    result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert len(world.mailer.sent) == 1


def test_clean_up_is_tried_again_and_what_stays_is_said(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.spool = FailingSpool(OUTAGE, remove=2)
    assert world.run(instance).success
    assert not world.spool.files

    world = World(export_row("export-2"))
    world.spool = FailingSpool(OUTAGE, remove=ALWAYS)
    result = world.run(instance)
    assert warnings_of(instance, result.run_id) == [
        "The export is COMPLETED, but has left files behind: The spool failed."
    ]


@pytest.mark.parametrize(("is_marked", "sent"), [(True, 0), (False, 1)])
def test_mark_in_the_spool_alone_prevents_a_second_mail(
    is_marked: bool, sent: int, instance: dg.DagsterInstance
) -> None:
    """The run was killed after the server had taken the e-mail, and before it could say so."""
    world = World(export_row())
    result = world.run(instance)
    world.mailer.sent.clear()
    instance.add_run_tags(result.run_id, {EMAIL_TAG: "owed", f"{EMAIL_TAG}{TOLD_OF}": ""})
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    folder = AttemptFolder.of(world.spool, world.row.id, run.run_id)
    if is_marked:
        folder.write("notified", Sent())
    channels = open_channels(world.mailer, world.rows, Settings.load(ENVIRONMENT))

    Outbox(instance, world.rows, channels).deliver(run, folder)

    assert len(world.mailer.sent) == sent


class BrokenMailer(OutboxMailer):
    """A mailer with a mistake in it."""

    tries = 0

    def send(self, message: EmailMessage) -> None:  # noqa: ARG002
        self.tries += 1
        "pässword".encode("ascii")


def test_mistake_in_the_mailer_is_a_warning_and_no_traceback(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.mailer = BrokenMailer()

    result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert not world.spool.files
    assert world.mailer.tries == 1
    assert warnings_of(instance, result.run_id) == [
        "The e-mail was not sent: a bug or unexpected data (UnicodeEncodeError)"
    ]
