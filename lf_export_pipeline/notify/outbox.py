"""Sends the notifications that runs owe: at once if that can be done, later if not, or never.

A run is tagged *owed* before its file is published, and before its export is set FAILED. Its last
op tries once; the sensor tries every few seconds what is still owed by runs that have ended, until
the link has expired. A message whose answer is lost counts as sent, so nobody gets two.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

import dagster as dg
from pydantic import BaseModel

from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    ExportError,
    MessageDeferredError,
    TransientError,
)
from lf_export_pipeline.core.ports import BatchExportRepository, Mailer
from lf_export_pipeline.file.attempt_folder import STORED, AttemptFolder
from lf_export_pipeline.lifecycle.notices import (
    CHANNEL_TAGS,
    EMAIL_TAG,
    OWED_STATES,
    Notice,
    is_sent,
    record_notice,
)
from lf_export_pipeline.lifecycle.observation import ENDED_BADLY
from lf_export_pipeline.lifecycle.run_records import (
    JOB_NAME,
    export_id_of,
    live_attempts,
    root_run_id,
)
from lf_export_pipeline.notify.channels import Channel, Notification
from lf_export_pipeline.notify.email_channel import EmailChannel
from lf_export_pipeline.notify.ends import End, end_of
from lf_export_pipeline.notify.webhook_channel import WebhookChannel
from lf_export_pipeline.settings import Settings

ENDED = (dg.DagsterRunStatus.SUCCESS, *ENDED_BADLY)
PAGE_RUNS = 100
MARKS = {EMAIL_TAG: "notified"}
"""The names of the marks in an attempt's folder; other channels are named after their tag."""


class Sent(BaseModel):
    """A mark in an attempt's folder: the message was taken, no other of the same may follow.

    Attributes:
        about: Which end of the export it told of; empty: an older version has not noted it.
    """

    about: str = ""

    def is_about(self, end: End) -> bool:
        """Whether it told of this end, as far as is known."""
        return self.about in ("", end.about)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of one notice.

    Attributes:
        channel: Which channel's.
        state: Its state now.
        line: The same for a log.
        export_id: Of which export.
        is_down: Whether the channel would not take any other either.
        is_problem: Whether an operator should know.
        seconds: How long it took.
    """

    channel: str
    state: Notice
    line: str
    export_id: str = ""
    is_down: bool = False
    is_problem: bool = False
    seconds: float = 0.0


def open_channels(
    mailer: Mailer, export_rows: BatchExportRepository, settings: Settings
) -> list[Channel]:
    """All channels; one that is not set up wants nothing."""
    return [EmailChannel(mailer, export_rows, settings), WebhookChannel(settings)]


class Outbox:
    """Sends what runs owe, through the channels."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        export_rows: BatchExportRepository,
        channels: Sequence[Channel],
    ) -> None:
        self._instance = instance
        self._export_rows = export_rows
        self._channels = channels

    def owing(self, limit: int, after: str | None = None) -> list[dg.DagsterRun]:
        """The ended runs that owe something, oldest first, unless their attempt goes on.

        Args:
            limit: How many at most.
            after: The last run that had its turn: those behind it are next, and then the oldest
                again. What cannot be sent for days would otherwise keep all others from their turn.
        """
        found = self._behind(after, limit)
        return self._behind(None, limit) if after and not found else found

    def deliver(
        self, run: dg.DagsterRun, folder: AttemptFolder, without: Collection[str] = ()
    ) -> list[Outcome]:
        """Send what a run owes, and tag it with what has become of it.

        What an export owes that has not ended waits.

        Args:
            run: With its tags as they are now.
            folder: The attempt's, for marks that last longer than the records of a crashed run.
            without: Names of channels that are down.

        Raises:
            TransientError: The database is away.
        """
        owed = [one for one in self._channels if run.tags.get(one.tag) in OWED_STATES]
        owed = [one for one in owed if one.name not in without]
        if not owed:
            return []
        row = self._export_rows.get(export_id_of(run) or "")
        end = end_of(run, row, datetime.now(UTC))
        outcomes: list[Outcome] = []
        for channel in owed if not end.is_open else ():
            begun = time.monotonic()
            outcome = self._outcome(run, channel, end, folder)
            outcome = replace(outcome, seconds=time.monotonic() - begun)
            record_notice(self._instance, run.run_id, channel.tag, outcome.state, end.about)
            outcomes.append(outcome)
        return outcomes

    def _behind(self, after: str | None, limit: int) -> list[dg.DagsterRun]:
        """None behind a run that Dagster has deleted."""
        found: dict[int, dg.DagsterRun] = {}
        for tag in CHANNEL_TAGS.values():
            ended = (one for one in self._tagged(tag, after) if not self._goes_on(one.dagster_run))
            found |= {one.storage_id: one.dagster_run for one in islice(ended, limit)}
        return [found[place] for place in sorted(found)][:limit]

    def _tagged(self, tag: str, after: str | None) -> Iterator[dg.RunRecord]:
        wanted = dg.RunsFilter(
            job_name=JOB_NAME, statuses=list(ENDED), tags={tag: list(OWED_STATES)}
        )
        while page := self._instance.get_run_records(
            wanted, PAGE_RUNS, ascending=True, cursor=after
        ):
            yield from page
            after = page[-1].dagster_run.run_id

    def _goes_on(self, run: dg.DagsterRun) -> bool:
        """Whether another run of the same attempt is active, which sends the same."""
        return root_run_id(run) in live_attempts(self._instance, run)

    def _outcome(
        self, run: dg.DagsterRun, channel: Channel, end: End, folder: AttemptFolder
    ) -> Outcome:
        export_id, name = export_id_of(run) or "", channel.name
        if end.notification is None or not channel.wants(end.notification.occasion):
            line = f"No {name}: {end.reason or 'not set up for this'}"
            return Outcome(name, Notice.NONE, line, export_id)
        if self._was_sent(channel, end, folder):
            return Outcome(name, Notice.SENT, f"The {name} was sent before", export_id)
        answer = handed_over(channel, end.notification)
        if answer.state is Notice.SENT:
            self._mark(folder, channel, end)
        return replace(answer, export_id=export_id)

    def _was_sent(self, channel: Channel, end: End, folder: AttemptFolder) -> bool:
        with suppress(ExportError):  # the spool is away: the records tell
            mark = folder.read(_mark_of(channel), Sent)
            if mark is not None and mark.is_about(end):
                return True
        return is_sent(self._instance, channel.tag, end.about)

    def _mark(self, folder: AttemptFolder, channel: Channel, end: End) -> None:
        """Only in a folder that is there: it goes when its run has tidied up."""
        with suppress(ExportError):
            if folder.has(STORED):
                folder.write(_mark_of(channel), Sent(about=end.about))


def _mark_of(channel: Channel) -> str:
    return MARKS.get(channel.tag, channel.tag.rpartition("/")[2])


def handed_over(channel: Channel, notification: Notification) -> Outcome:
    """What has become of a notification that a channel was given."""
    name = channel.name
    try:
        channel.send(notification)
    except AnswerLostError as error:
        line = f"The {name} counts as sent: {error}"
        return Outcome(name, Notice.SENT, line, is_problem=True)
    except (TransientError, ConfigurationError) as error:
        line = f"The {name} was not sent: {error} It will be sent later."
        is_down = not isinstance(error, MessageDeferredError)
        return Outcome(name, Notice.OWED, line, is_down=is_down, is_problem=True)
    except ExportError as error:
        return Outcome(name, Notice.NONE, f"The {name} was not sent: {error}", is_problem=True)
    except Exception as error:  # noqa: BLE001 - its message may hold a secret
        line = f"The {name} was not sent: a bug or unexpected data ({type(error).__name__})"
        return Outcome(name, Notice.NONE, line, is_problem=True)
    return Outcome(name, Notice.SENT, f"The {name} was sent")
