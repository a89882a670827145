"""A standing export as it is kept: what was asked for, and how far it is."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.windowed_query import Window
from lf_export_pipeline.schedules.timetable import Missed, Timetable, WindowKind

FAILURES_MAX = 3
"""So many exports that fail in a row pause it."""

REMEMBERED_EXPORTS = 20


class StandingExport(BaseModel):
    """What people have asked for; nobody but they change it.

    Attributes:
        id: Of the standing export.
        export_id: The export that is made again. Its row says project, user, table, format and
            query; it is read at each tick, so that nothing of it is kept here.
        name: What its files are called, before the window.
        project_id: For lists, as the next two.
        table: The word in the query.
        begin: Where the first window begins.
        is_paused: Whether somebody has paused it.
        resumed_at: When somebody last resumed it: what has failed before does not count.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    export_id: str
    name: str
    project_id: str
    table: str
    cron: str
    timezone: str
    window: WindowKind
    lag_minutes: int
    missed: Missed
    created_at: AwareDatetime
    begin: AwareDatetime
    is_paused: bool = False
    resumed_at: AwareDatetime | None = None

    @property
    def timetable(self) -> Timetable:
        """When it is due for which window."""
        lag = timedelta(minutes=self.lag_minutes)
        return Timetable(self.cron, self.timezone, self.window, lag, self.missed)

    def row_id(self, window: Window) -> str:
        """The id of the row of a window: no two of one standing export begin at one instant.

        It does not depend on the end: of two daemons, one may see a later end, and there must be
        one row all the same.
        """
        return f"{self.id}-{window.begin:%Y%m%dT%H%M%SZ}"


class Progress(BaseModel):
    """How far a standing export is; nobody but the sensor changes it.

    Attributes:
        resumed_at: That of the standing export when this was written.
        begin: Where the next window begins.
        queued: The ids of the rows that were queued last, oldest first.
        paused_at: When it paused itself.
        reason: Why it did, a sentence.
        owed: The channels that have yet to say so.
        problem: What kept it from queueing at the last tick, a sentence; it is tried again.
    """

    model_config = ConfigDict(frozen=True)

    begin: AwareDatetime
    resumed_at: AwareDatetime | None = None
    queued: tuple[str, ...] = ()
    paused_at: AwareDatetime | None = None
    reason: str = ""
    owed: tuple[str, ...] = ()
    problem: str = ""

    def with_row(self, row_id: str, end: datetime) -> "Progress":
        """After one more row, whose window has this end."""
        queued = (*self.queued, row_id)[-REMEMBERED_EXPORTS:]
        return self.model_copy(update={"begin": end, "queued": queued, "problem": ""})

    def resumed(self, resumed_at: datetime | None) -> "Progress":
        """The same, as if nothing had failed before it was resumed; no clocks are compared."""
        if resumed_at == self.resumed_at:
            return self
        return Progress(begin=self.begin, resumed_at=resumed_at)


def failures_in_a_row(rows: Sequence[ExportRow]) -> list[ExportRow]:
    """Those that failed since one was COMPLETED, of rows in the order of their windows.

    What has not ended, and what somebody has cancelled, says nothing.
    """
    failed: list[ExportRow] = []
    for row in rows:
        if row.status == "COMPLETED":
            failed = []
        elif row.status == "FAILED":
            failed.append(row)
    return failed
