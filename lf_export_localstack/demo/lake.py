"""The demo's lake: a few days that are changed behind its back, and healed by the daemon alone."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lf_export_localstack.demo.exports import PROJECT
from lf_export_localstack.demo.lake_changes import CHANGES, change
from lf_export_localstack.demo.watching import StandstillError
from lf_export_localstack.processes.patience import Patience
from lf_export_localstack.processes.process import ProcessRecord, is_running
from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.defs.lake.stores import LakeStores, open_stores
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.manifest import Manifest
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.settings import Settings

EVERY_MINUTE = "* * * * *"
PATIENCE_SECONDS = 300
POLL_SECONDS = 2

Manifests = Mapping[str, Manifest]


@dataclass(frozen=True, slots=True)
class HealedDay:
    """What has become of a day.

    Attributes:
        change: What was done to it.
        day: Its date.
        before: The rows of its object.
        after: The same, when the daemon was done.
        is_rewritten: Whether its object has other bytes than before.
        is_right: Whether that is as it has to be.
    """

    change: str
    day: str
    before: int
    after: int
    is_rewritten: bool
    is_right: bool


class DemoLake:
    """A lake of the five days before today, of traces alone, in a folder."""

    def __init__(self, stack: LocalStack, tell: Callable[[str], None]) -> None:
        self._stack = stack
        self._tell = tell
        self._folder = (stack.state_dir / "lake").resolve()
        today = datetime.now(UTC).date()
        self.days = [(today - timedelta(days=back)).isoformat() for back in (5, 4, 3, 2, 1)]

    @property
    def environment(self) -> dict[str, str]:
        """What tells Dagster of it; it is looked at each minute, so that nobody waits an hour."""
        return {
            "LF_EXPORT_LAKE_URL": f"file://{self._folder}",
            "LF_EXPORT_LAKE_TABLES": "traces",
            "LF_EXPORT_LAKE_START": self.days[0],
            "LF_EXPORT_LAKE_CRON": EVERY_MINUTE,
        }

    def healed(self, daemon: ProcessRecord) -> list[HealedDay]:
        """Waits for the lake, changes Langfuse's tables, and waits again.

        Raises:
            StandstillError: The daemon has ended, or does not go on.
        """
        settings = Settings.load({**self._stack.environment(), **self.environment})
        with open_stores(settings) as stores:
            self._tell("Waiting for the lake: Dagster looks each minute which days have changed")
            before = self._settled(stores, daemon)
            self._tell(f"{len(before)} days are there; changing rows in ClickHouse behind its back")
            with clickhouse_client(self._stack.addresses()) as client:
                change(client, PROJECT, self.days)
            after = self._settled(stores, daemon)
            self._tell("The daemon has written what has changed")
        return [*self._compared(before, after)]

    def counted(self) -> list[tuple[Any, ...]]:
        """Day, rows, bookmarked rows and users, as DuckDB finds them in the lake."""
        import duckdb  # noqa: PLC0415 - for the demo alone

        files = f"{self._folder}/v1/traces/*/*/data.parquet"
        query = (
            "SELECT CAST(day AS VARCHAR), count(*), count(*) FILTER (bookmarked), "
            "count(DISTINCT user_id) FROM read_parquet($files, hive_partitioning = true) "
            "GROUP BY 1 ORDER BY 1"
        )
        with duckdb.connect() as connection:
            return connection.execute(query, {"files": files}).fetchall()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    def _settled(self, stores: LakeStores, daemon: ProcessRecord) -> Manifests:
        """What the manifests say when the lake holds what Langfuse does."""
        patience, told = Patience(PATIENCE_SECONDS), -1
        while True:
            found, behind = self._seen(stores)
            if behind != told:
                self._tell(f"  {len(self.days) - behind} of {len(self.days)} days are right")
                told = behind
            if behind == 0:
                return found
            if not is_running(daemon):
                raise StandstillError("Dagster's daemon has ended.")
            if patience.is_over((len(found), behind)):
                raise StandstillError("The lake does not go on.")
            time.sleep(POLL_SECONDS)

    def _seen(self, stores: LakeStores) -> tuple[Manifests, int]:
        """The manifests that there are, and how many days are not as they have to be."""
        try:
            lake, table = stores.lake(), LAKE_TABLES["traces"]
            read = {day: lake.manifests.read(Place("traces", PROJECT, day)) for day in self.days}
            behind = len(lake.healer.changed(table, self.days))
        except ExportError:
            return {}, len(self.days)
        return {day: manifest for day, manifest in read.items() if manifest}, behind

    def _compared(self, before: Manifests, after: Manifests) -> Iterator[HealedDay]:
        for each, day in zip(CHANGES, self.days, strict=True):
            old, new = before[day], after[day]
            is_rewritten = old.sha256 != new.sha256
            yield HealedDay(
                *(each.name, day, old.rows, new.rows, is_rewritten), is_rewritten is each.is_seen
            )


def lake_lines(healed: list[HealedDay], counted: list[tuple[Any, ...]]) -> Iterator[str]:
    """Two tables: what has changed and what was written for it, and what DuckDB finds."""
    yield f"{'changed in ClickHouse':<34}{'day':<12}{'rows before':>12}{'after':>8}  object"
    for each in healed:
        told = "rewritten" if each.is_rewritten else "left as it was"
        yield f"{each.change:<34}{each.day:<12}{each.before:>12,}{each.after:>8,}  {told}"
    yield ""
    yield f"{'DuckDB: day':<34}{'':<12}{'rows':>12}{'users':>8}  bookmarked"
    for day, rows, bookmarked, users in counted:
        yield f"{day:<34}{'':<12}{rows:>12,}{users:>8,}  {bookmarked:,}"
