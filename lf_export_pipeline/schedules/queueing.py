"""Queues the rows of the windows that are due; everything else is the way of every export."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from lf_export_pipeline.core.errors import ConfigurationError, ExportError, PermanentError
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow, StoredExport
from lf_export_pipeline.core.request.validation_messages import quote_value
from lf_export_pipeline.core.request.windowed_query import (
    Window,
    WindowColumn,
    window_of,
    windowed_query,
)
from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline.schedules.standing import (
    FAILURES_MAX,
    Progress,
    StandingExport,
    failures_in_a_row,
)
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.schedules.timetable import next_window, window_title

WINDOWS_PER_TICK = 5
"""Of one standing export: who has missed a thousand must not keep the tick from ending."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done for a standing export, or what kept it from being done; a line of a log."""

    line: str
    rows: int = 0
    is_problem: bool = False


class Queueing:
    """One tick.

    Args:
        kept: The standing exports.
        export_rows: Langfuse's table.
        clock: The present, UTC.
        channels: Those to be told when a standing export pauses itself, by name.
    """

    def __init__(
        self,
        kept: StandingExports,
        export_rows: BatchExportRepository,
        clock: Callable[[], datetime],
        channels: tuple[str, ...] = (),
    ) -> None:
        self._kept = kept
        self._rows = export_rows
        self._clock = clock
        self._channels = channels

    def queue_due(self) -> list[Done]:
        """What was done for those that needed something."""
        done: list[Done] = []
        for standing, kept in self._kept.all():
            progress = kept.resumed(standing.resumed_at)
            if not standing.is_paused and progress.paused_at is None:
                done += self._queue(standing, progress)
        return done

    def _queue(self, standing: StandingExport, progress: Progress) -> list[Done]:
        try:
            failed = self._failures(progress)
            if len(failed) >= FAILURES_MAX:
                reason = f"its last {len(failed)} exports failed, the newest with: {failed[-1].log}"
                return [self._pause(standing, progress, reason)]
            return self._queue_windows(standing, progress)
        except ConfigurationError as error:
            return [self._problem(standing, progress, str(error))]
        except PermanentError as error:
            return [self._pause(standing, progress, error.user_message)]
        except ExportError as error:
            return [Done(f"{standing.id}: {error}", is_problem=True)]
        except Exception as error:  # noqa: BLE001 - one of them must not keep the others waiting
            problem = f"a bug or unexpected data ({type(error).__name__})"
            return [self._problem(standing, progress, problem)]

    def _queue_windows(self, standing: StandingExport, progress: Progress) -> list[Done]:
        done: list[Done] = []
        for _ in range(WINDOWS_PER_TICK):
            window = next_window(standing.timetable, progress.begin, self._clock())
            if window is None:
                break
            row = self._row(standing, window)
            column = window_column(row)
            if self._rows.add(row):
                done.append(Done(f"{standing.id}: queued {row.id}, {row.name}", rows=1))
            else:  # another daemon did, or this one before it was killed: the row says how far
                there = self._rows.stored(row.id)
                window = (there and window_of(there.query, column)) or window
            progress = progress.with_row(row.id, window.end)
            self._kept.record(standing.id, progress)
        if progress.problem:
            self._kept.record(standing.id, progress.model_copy(update={"problem": ""}))
        return done

    def _row(self, standing: StandingExport, window: Window) -> StoredExport:
        original = self._rows.stored(standing.export_id)
        if original is None:
            raise PermanentError(f"the export {quote_value(standing.export_id)} is gone")
        return row_of(standing, original, window, self._clock())

    def _failures(self, progress: Progress) -> list[ExportRow]:
        """Those that failed in a row, oldest first; none if the last that ended did not."""
        if not progress.queued:
            return []
        search = ExportSearch(ids=progress.queued, limit=len(progress.queued))
        known = {row.id: row for row in self._rows.search(search)}
        return failures_in_a_row([known[each] for each in progress.queued if each in known])

    def _pause(self, standing: StandingExport, progress: Progress, reason: str) -> Done:
        now = self._clock()
        paused = {"paused_at": now, "reason": reason, "owed": self._channels, "problem": ""}
        self._kept.record(standing.id, progress.model_copy(update=paused))
        line = f"{standing.id} paused itself: {reason}"
        return Done(line, is_problem=True)

    def _problem(self, standing: StandingExport, progress: Progress, problem: str) -> Done:
        """It stays due; what is wrong is kept for the list."""
        if progress.problem != problem:
            self._kept.record(standing.id, progress.model_copy(update={"problem": problem}))
        return Done(f"{standing.id}: {problem}", is_problem=True)


def row_of(
    standing: StandingExport, original: StoredExport, window: Window, now: datetime
) -> StoredExport:
    """The row of a window: the export as it was asked for, but for its time, name and state.

    Raises:
        PermanentError: The original's query is none, or its table has no time.
    """
    at = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as Langfuse: milliseconds
    return replace(
        original,
        id=standing.row_id(window),
        name=f"{standing.name} {window_title(window, standing.timezone)}",
        created_at=at,
        updated_at=at,
        status="QUEUED",
        query=windowed_query(original.query, window_column(original), window),
        log=None,
        url=None,
        finished_at=None,
        expires_at=None,
    )


def window_column(row: ExportRow) -> WindowColumn:
    """The time by which the rows of an export's table are cut into windows.

    Raises:
        PermanentError: There is no such table, or its rows have no time.
    """
    if row.table is None or row.table not in table_names():
        raise PermanentError(f"The table {quote_value(row.table)} cannot be exported.")
    column = table_source(row.table).window_column
    if column is None:
        raise PermanentError(
            f"Rows of {row.table} have no time that filters can name, so that they are in no "
            "window; standing exports are for the other tables."
        )
    return column
