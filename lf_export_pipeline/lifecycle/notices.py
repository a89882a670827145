"""Which notifications a run owes: its tags say so, and the run is done.

The outbox (``notify.outbox``) sends what is owed. A tag per channel has one of three states, so
that an operator sees them on the run's page, and every run of an attempt knows the same.
"""

from enum import StrEnum

import dagster as dg
import tenacity

from lf_export_pipeline.lifecycle.partitions import BYTES_TAG, OBJECT_TAG, ROWS_TAG
from lf_export_pipeline.lifecycle.run_records import JOB_NAME

EMAIL_TAG = "lf_export/email"
WEBHOOK_TAG = "lf_export/webhook"
TOLD_OF = "_told_of"
"""What the name of a channel's second tag ends in: which end of the export it has told of last, see
``notify.ends``."""

CHANNEL_TAGS = {"e-mail": EMAIL_TAG, "webhook": WEBHOOK_TAG}
"""By the names of the channels: these are told, and no others."""


class Notice(StrEnum):
    """The states of a notification."""

    OWED = "owed"
    SENT = "sent"
    NONE = "none"  # given up, or not wanted


_OWED_BY_ALL = dict.fromkeys(CHANNEL_TAGS.values(), Notice.OWED.value)

OWED_STATES = (Notice.OWED.value, "unsent", "unanswered")
"""The last two were written by versions before the outbox."""


def owe_ready(instance: dg.DagsterInstance, run_id: str, key: str, *, rows: int, size: int) -> None:
    """Tag a run that is about to publish a file: whatever ends it now, its notices are owed.

    Args:
        instance: Dagster's records.
        run_id: Of the run.
        key: Of the object.
        rows: In the file.
        size: Of the file, in bytes.
    """
    facts = {OBJECT_TAG: key, ROWS_TAG: str(rows), BYTES_TAG: str(size)}
    instance.add_run_tags(run_id, facts | _OWED_BY_ALL)


def owe_failure(instance: dg.DagsterInstance, run_id: str) -> None:
    """Tag a run by which an export is about to be set FAILED: whatever happens now, that is told.

    Should the row turn out to be another's, its end is told by that one, or by both together once.
    """
    instance.add_run_tags(run_id, _OWED_BY_ALL)


def record_notice(
    instance: dg.DagsterInstance, run_id: str, tag: str, state: Notice, about: str
) -> None:
    """Tag a run with the state of a notice; tried a few times, since it may have been sent.

    Args:
        instance: Dagster's records.
        run_id: Of the run.
        tag: The channel's.
        state: What has become of the notice.
        about: Which end of the export it is about.
    """
    told_of = {f"{tag}{TOLD_OF}": about} if state is Notice.SENT else {}
    patiently = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_exponential(0.2), reraise=True
    )
    patiently(instance.add_run_tags, run_id, {tag: state.value, **told_of})


def is_sent(instance: dg.DagsterInstance, tag: str, about: str) -> bool:
    """Whether any run says that a channel, by its tag, has told of this end of its export."""
    tags = {f"{tag}{TOLD_OF}": about}
    return bool(instance.get_run_records(dg.RunsFilter(job_name=JOB_NAME, tags=tags), limit=1))
