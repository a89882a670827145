"""What has to be known of a lake while its definitions are loaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import dagster as dg

from lf_export_pipeline.core.errors import ConfigurationError, PermanentError
from lf_export_pipeline.lake.columns_left_out import excluded_columns
from lf_export_pipeline.lake.source import LakeTable
from lf_export_pipeline.lake.tables import tables_named
from lf_export_pipeline.schedules.periods import require_cron
from lf_export_pipeline.settings.lake import LakeSettings, listed

GROUP: Final = "langfuse_lake"
POOL: Final = "langfuse_lake"
OWNER: Final = "team:langfuse_lake"
RUN_TAG: Final = "lf_export/lake"
RUN_TAGS: Final = {RUN_TAG: "heal", "dagster/priority": "-10"}
"""Runs of the lake wait for those of exports, which somebody waits for."""


@dataclass(frozen=True, slots=True)
class LakeShape:
    """A lake's tables and days.

    Attributes:
        url: Where it is.
        tables: In it.
        first_day: From when on it has days.
        has_today: Whether the day that has not ended is one of them.
        cron: When the last days are looked at.
        has_maps: Whether maps are maps, and not text.
    """

    url: str
    tables: tuple[LakeTable, ...]
    first_day: date
    has_today: bool = False
    cron: str = "7 * * * *"
    has_maps: bool = True

    @classmethod
    def of(cls, settings: LakeSettings) -> "LakeShape":
        """The lake that the settings describe.

        Raises:
            ConfigurationError: They name a table or a column that there is not, or no times.
        """
        try:
            require_cron(settings.lf_export_lake_cron)
        except PermanentError as error:
            raise ConfigurationError(f"LF_EXPORT_LAKE_CRON: {error}") from None
        excluded_columns(listed(settings.lf_export_lake_columns_excluded))
        return cls(
            url=settings.lf_export_lake_url or "",
            tables=tables_named(listed(settings.lf_export_lake_tables)),
            first_day=settings.lake_first_day,
            has_today=settings.lf_export_lake_today,
            cron=settings.lf_export_lake_cron,
            has_maps=settings.lf_export_lake_maps == "map",
        )

    @property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Its partitions: days of UTC."""
        start = datetime.combine(self.first_day, time(), UTC)
        end_offset = 1 if self.has_today else 0
        return dg.DailyPartitionsDefinition(start_date=start, timezone="UTC", end_offset=end_offset)

    def days_until(self, now: datetime) -> list[str]:
        """The days that there are by an instant."""
        end = now.astimezone(UTC).date() + timedelta(days=1 if self.has_today else 0)
        number = (end - self.first_day).days
        return [(self.first_day + timedelta(days=each)).isoformat() for each in range(number)]

    def partitions(self, table: LakeTable) -> dg.DailyPartitionsDefinition | None:
        """Those of a table's assets."""
        return self.days if table.has_days else None


def source_key(table: LakeTable) -> dg.AssetKey:
    """What is observed."""
    return dg.AssetKey(["langfuse", table.name])


def lake_key(table: LakeTable) -> dg.AssetKey:
    """What is written."""
    return dg.AssetKey(["lake", table.name])


def source_keys(tables: Iterable[LakeTable]) -> list[dg.AssetKey]:
    """What is observed of some tables."""
    return [source_key(table) for table in tables]
