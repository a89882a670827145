"""Histories of a project's rows, and what the lake has to hold after each of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final

from hypothesis import strategies as st

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Bucket, RowReader
from lf_export_pipeline.lake.healing import Action, Healed
from lf_export_pipeline.lake.opening import open_bucket, open_lake
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline_tests.integration.lake.interrupted import (
    BeforeCall,
    InterruptedBucket,
    InterruptedReader,
    KilledError,
)
from lf_export_pipeline_tests.integration.lake.lake_world import NOW, LakeWorld, moment

MOVED_DAYS: Final = 2
LONG_AGO: Final = "2025-03-01"
DAYS: Final = tuple(f"2025-03-{day:02d}" for day in (1, 2, 4))
"""Near to the next, and too far from the last."""
NAMES: Final = ("a", "ü/c")

VARIED: Final = {"traces": "name", "observations": "type", "scores": "name"}
"""A column that versions differ in; in two of the tables it is a part of the sorting key."""

EDITED: Final = {
    "traces": ("bookmarked", "NOT bookmarked"),
    "observations": ("level", "concat(level, '!')"),
    "scores": ("value", "value + 1"),
}

inserts = st.fixed_dictionaries(
    {
        "id": st.sampled_from(NAMES),
        "day": st.sampled_from(DAYS),
        "version": st.integers(1, 5),
        "varied": st.sampled_from(["SPAN", "TOOL"]),
        "is_deleted": st.sampled_from([0, 0, 0, 1]),
    }
)


@dataclass(frozen=True, slots=True)
class History:
    """What is done to the rows of one table of a project."""

    world: LakeWorld
    table: str

    def insert(self, version: dict[str, Any]) -> None:
        """A row, a version of one, a late one, one that has moved, or a deletion."""
        self.world.add(
            self.table,
            {
                "id": version["id"],
                "at": moment(version["day"]),
                "event_ts": moment(LONG_AGO, f"00:00:0{version['version']}"),
                VARIED[self.table]: version["varied"],
                "is_deleted": version["is_deleted"],
            },
        )

    def edit(self, name: str) -> None:
        """Change all versions of a row in place."""
        column, value = EDITED[self.table]
        self.world.run(
            f"ALTER TABLE {self.table} UPDATE {column} = {value} WHERE {{here}} AND id = '{name}'"
        )

    def delete(self, number: int) -> None:
        """Delete all versions that a row has on a day: the row of that number, if there are any."""
        rows = [(row[0], day) for day, of_day in sorted(self.truth().items()) for row in of_day]
        if not rows:
            return
        name, day = rows[number % len(rows)]
        condition = f"{{here}} AND id = '{name}' AND toDate({self._time}) = '{day}'"
        self.world.run(f"DELETE FROM {self.table} WHERE {condition}")

    def merge(self) -> None:
        """Let the engine do what it does sooner or later."""
        self.world.run(f"OPTIMIZE TABLE {self.table} FINAL")

    def truth(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of each day: what ``FINAL`` says, of each id the newest of the days around."""
        varied, (edited, _) = VARIED[self.table], EDITED[self.table]
        sql = (
            f"SELECT id, toString(toDate({self._time}, 'UTC')), toUnixTimestamp64Milli(event_ts), "
            f"{varied}, {edited} FROM {self.table} FINAL WHERE project_id = '{self.world.project}'"
        )
        rows = self.world.client.query(sql).result_rows
        found: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in rows:
            rivals = [other for other in rows if other[0] == row[0] and _are_near(row, other)]
            if row == max(rivals, key=_rank):
                found[row[1]].append((row[0], row[2], row[3], row[4]))
        return {day: sorted(each) for day, each in found.items()}

    def lake(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of each day in the lake."""
        varied, (edited, _) = VARIED[self.table], EDITED[self.table]
        found = {}
        for day in DAYS:
            rows = self.world.rows(self.table, day)
            if rows:
                found[day] = sorted(
                    (row["id"], int(row["_version"].timestamp() * 1000), row[varied], row[edited])
                    for row in rows
                )
        return found

    @property
    def _time(self) -> str:
        return "start_time" if self.table == "observations" else "timestamp"


def _are_near(one: Sequence[Any], other: Sequence[Any]) -> bool:
    days = (date.fromisoformat(one[1]), date.fromisoformat(other[1]))
    return abs((days[0] - days[1]).days) <= MOVED_DAYS


def _rank(row: Sequence[Any]) -> tuple[Any, ...]:
    return (row[2], row[1], row[3])


@dataclass
class Daemon:
    """What Dagster does with a lake: observes, runs what has changed, runs again what has failed.

    Attributes:
        history: Of the rows.
        handled: The version of each day for which a run was asked last.
        waiting: The days that a run is asked for.
        uploads: The keys of what its runs have written.
    """

    history: History
    handled: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    uploads: list[str] = field(default_factory=list)

    def observe(self) -> None:
        """Ask for runs of the days whose rows are others than before."""
        found = self.history.world.fingerprints(self.history.table, DAYS)
        versions = {day: str(found[day]) if day in found else "" for day in DAYS}
        self.waiting |= {day for day in DAYS if versions[day] != self.handled.get(day, "")}
        self.handled = versions

    def run(self, before: BeforeCall = lambda: None, *, lost: int = 0) -> list[Healed]:
        """One run of what is asked for, day by day; one that fails or dies is asked for again."""
        asked, self.waiting = self.waiting, set()
        world = self.history.world
        bucket = InterruptedBucket(self._bucket, before, lost)
        reader: RowReader = InterruptedReader(world.reader, before)
        settings = world.settings.model_copy(update={"lf_export_lake_projects": world.project})
        heal = partial(open_lake, settings, reader, NOW, bucket)
        try:
            healer, table = heal().healer, LAKE_TABLES[self.history.table]
            return [each for day in sorted(asked) for each in healer.heal(table, [day])]
        except (KilledError, TransientError):
            self.waiting |= asked
            return []
        finally:
            self.uploads += [key for key in bucket.uploads if key.endswith(".parquet")]

    def settle(self) -> None:
        """Observe and run until there is nothing to do; it takes a few rounds at most."""
        for _ in range(5):
            self.observe()
            if not self.waiting:
                return
            self.run()
        message = f"{self.waiting} are written again and again"
        raise AssertionError(message)

    def rewritten(self) -> list[str]:
        """What a run of all days writes when nothing has changed."""
        before = len(self.uploads)
        self.waiting = set(DAYS)
        done = self.run()
        assert {each.action for each in done} <= {Action.UNCHANGED}
        return self.uploads[before:]

    @property
    def _bucket(self) -> Bucket:
        return open_bucket(self.history.world.settings)[0]
