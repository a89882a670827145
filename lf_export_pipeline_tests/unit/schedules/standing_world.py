"""Standing exports on Dagster's records in memory and on rows in memory."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from lf_export_pipeline.core.request.model import ExportRow, StoredExport
from lf_export_pipeline.core.request.windowed_query import Window, window_of
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline.schedules.queueing import Done, Queueing
from lf_export_pipeline.schedules.requests import ScheduleConfig, schedule
from lf_export_pipeline.schedules.standing import Progress, StandingExport
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT

SLOW = {"type": "number", "column": "latency", "operator": ">", "value": 1}
LAST_YEAR = {"type": "datetime", "column": "timestamp", "operator": "<", "value": "2030-01-01"}
QUERY = {"tableName": "traces", "filter": [SLOW, LAST_YEAR], "orderBy": None}
TRACES = table_source("traces").window_column


def original(**values: object) -> StoredExport:
    """An export that somebody once made in Langfuse."""
    known = {"query": QUERY, "name": "Slow traces", "status": "COMPLETED", "format": "JSONL",
             "created_at": datetime(2030, 1, 1, tzinfo=UTC), "url": "https://secret"}  # fmt: skip
    return export_row("original", **known | values)


@dataclass
class StandingWorld:
    """What a tick sees.

    Attributes:
        now: The clock of all daemons.
        environment: What is set beyond what every test sets.
    """

    instance: dg.DagsterInstance
    now: datetime = datetime(2031, 3, 19, 5, tzinfo=UTC)
    rows: FakeBatchExportRepository = field(
        default_factory=lambda: FakeBatchExportRepository(original())
    )

    environment: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> StandingExports:
        return StandingExports(self.instance)

    def schedule(self, **config: object) -> StandingExport:
        """The original at six o'clock, for the day before, without a lag."""
        known: dict[str, object] = {"export_id": "original", "lag_minutes": 0}
        values = ScheduleConfig(**known | config)  # type: ignore[arg-type]
        settings = Settings.load(ENVIRONMENT | self.environment)
        return schedule(self.kept, self.rows, values, self.now, settings)

    def tick(self, later: timedelta = timedelta()) -> list[Done]:
        self.now += later
        return Queueing(self.kept, self.rows, lambda: self.now, ("e-mail", "webhook")).queue_due()

    @property
    def progress(self) -> Progress:
        ((standing, progress),) = self.kept.all()
        return progress.resumed(standing.resumed_at)

    def queued(self) -> list[ExportRow]:
        """The rows of windows, in their order."""
        return [row for row in self.rows.rows.values() if row.id != "original"]

    def windows(self) -> list[Window]:
        """The windows in the queries of all rows."""
        assert TRACES is not None
        rows = [row for row in self.queued() if isinstance(row, StoredExport)]
        found = [window_of(row.query, TRACES) for row in rows]
        return [window for window in found if window]

    def end(self, status: str, log: str | None = None) -> None:
        """All rows that are QUEUED end so."""
        for row in self.queued():
            if row.status == "QUEUED":
                self.rows.rows[row.id] = replace(row, status=status, log=log)
