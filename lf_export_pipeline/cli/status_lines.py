"""What is known of an export, from its row, its newest run and who requested it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg

from lf_export_pipeline.cli.run_progress import RunProgress
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.progress_format import duration
from lf_export_pipeline.file.file_names import format_text
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG
from lf_export_pipeline.lifecycle.partitions import ROWS_TAG
from lf_export_pipeline.lifecycle.run_records import number_in

Run = tuple[dg.DagsterRun, RunProgress]


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One export as people follow it; what is not known is None or empty.

    Attributes:
        who: E-mail address or name of the user, or else the id.
        rows: How many are written.
        of_rows: How many there are to write.
        seconds_left: For the rest, at the speed until now.
        file: The object's name, without the folders of its key.
        link: The signed link, a secret: only where somebody has asked for links.
        cause: For the operator, the step that has failed and why, unless the log says it.
        email: Whether it is owed, sent or not wanted; empty as long as there is nothing to say.
    """

    export: str
    name: str
    status: str
    requested_at: datetime
    who: str
    user: str
    project: str
    table: str
    format: str
    rows: int | None = None
    of_rows: int | None = None
    seconds_left: float | None = None
    run: str = ""
    run_status: str = ""
    file: str = ""
    link_expires_at: datetime | None = None
    link: str = ""
    log: str = ""
    cause: str = ""
    email: str = ""

    def as_json(self) -> dict[str, Any]:
        """All of it, with instants in ISO 8601, the link only if it is known here."""
        values = {name: getattr(self, name) for name in self.__slots__}
        if not self.link:
            del values["link"]
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        }

    def age(self, now: datetime) -> str:
        """``3 min``, since it was requested."""
        seconds = max(0, int((now - self.requested_at).total_seconds()))
        for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
            if seconds >= length:
                return f"{seconds // length} {unit}"
        return f"{seconds} s"

    @property
    def rows_text(self) -> str:
        """``1,200 of 3,000, 41 s left``."""
        if self.rows is None:
            return ""
        if self.of_rows is None:
            return f"{self.rows:,}"
        done = f"{self.rows:,} of {self.of_rows:,}"
        return done if self.seconds_left is None else f"{done}, {duration(self.seconds_left)} left"

    def link_text(self, now: datetime) -> str:
        """Until when the link is good, or since when it is not."""
        if self.link_expires_at is None:
            return ""
        when = f"{self.link_expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"link until {when}" if self.link_expires_at > now else f"link expired {when}"


def status_line(row: ExportRow, run: Run | None, who: str, *, with_link: bool) -> StatusLine:
    """What is known of one export."""
    record, progress = run or (None, None)
    return StatusLine(
        export=row.id,
        name=row.name,
        status=row.status,
        requested_at=row.created_at,
        who=who,
        user=row.user_id,
        project=row.project_id,
        table=row.table or "",
        format=format_text(row),
        rows=_rows(record, progress),
        of_rows=progress.rows if progress else None,
        seconds_left=progress.seconds_left if progress and row.status == "PROCESSING" else None,
        run=record.run_id if record else "",
        run_status=record.status.value if record else "",
        file=file_of_link(row.url),
        link_expires_at=row.expires_at if row.url else None,
        link=(row.url or "") if with_link else "",
        log=row.log or "",
        cause=_cause(row, progress) if progress else "",
        email=record.tags.get(EMAIL_TAG, "") if record else "",
    )


def status_lines(
    rows: Sequence[ExportRow],
    runs: Mapping[str, Run],
    people: Mapping[str, str],
    *,
    with_links: bool = False,
) -> list[StatusLine]:
    """One per export, in the order of the rows.

    Args:
        rows: The exports.
        runs: The newest run of each, and how far it is.
        people: What users are called, by id.
        with_links: Whether the signed links are shown.
    """
    return [
        status_line(
            row, runs.get(row.id), people.get(row.user_id, row.user_id), with_link=with_links
        )
        for row in rows
    ]


def file_of_link(url: str | None) -> str:
    """The name of the object that a link leads to; nothing of what makes it a secret."""
    try:
        return unquote(urlsplit(url or "").path).rpartition("/")[2]
    except ValueError:
        return ""


def _cause(row: ExportRow, progress: RunProgress) -> str:
    """Users are told of failures that are not theirs only that there was one."""
    if row.status != "FAILED" or not progress.failure or progress.failure in (row.log or ""):
        return ""
    return f"{progress.failed_step}: {progress.failure}"


def _rows(run: dg.DagsterRun | None, progress: RunProgress | None) -> int | None:
    """What is written; of a run whose events are gone its tag still says how many there were."""
    if progress and progress.rows is not None:
        return progress.done_rows
    return number_in(run, ROWS_TAG) if run and ROWS_TAG in run.tags else None
