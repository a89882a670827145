"""A project in databases of its own, and a lake that follows it."""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import (
    insert_clickhouse_batch,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.core.ports import Bucket, RowReader
from lf_export_pipeline.lake.healing import Action, Healed
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.manifest import Fingerprint, Manifest
from lf_export_pipeline.lake.opening import Lake, open_bucket, open_lake
from lf_export_pipeline.lake.source import LakeTable
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.settings import Settings

NOW = datetime(2025, 4, 1, tzinfo=UTC)
DAYS = tuple(f"2025-03-{day:02d}" for day in range(1, 11))
STORED_AS = {"observations": "observations", "events": "events_full"}

Row = Mapping[str, Any]

_TEXTS: dict[str, dict[str, Any]] = {
    "traces": {"name": "chat", "input": "in", "output": "out", "metadata": {"k": "v"}},
    "scores": {"name": "good", "data_type": "NUMERIC", "source": "API", "value": 0.5},
    "observations": {"name": "call", "type": "SPAN", "level": "DEFAULT", "input": "in"},
    "events_full": {"name": "call", "type": "SPAN", "level": "DEFAULT", "input": "in"},
    "dataset_run_items_rmt": {"dataset_id": "d", "dataset_run_id": "r", "dataset_item_id": "i"},
}


def moment(day: str, at: str = "12:00:00") -> str:
    """An instant of a day, as rows are inserted."""
    return f"{day}T{at}Z"


def lake_settings(environment: Mapping[str, str], folder: Path, **settings: str) -> Settings:
    """Those of a lake in a folder; further ones by name, without the prefix."""
    lake = {"url": f"file://{folder}", "start": "2025-01-01", **settings}
    given = {f"LF_EXPORT_LAKE_{name.upper()}": value for name, value in lake.items()}
    return Settings.load({**environment, **given})


@dataclass(frozen=True)
class LakeWorld:
    """A project, what is written into it, and its lake.

    Attributes:
        addresses: Of the databases.
        client: Of ClickHouse, for who may do everything.
        reader: Of the stores.
        settings: With a lake in them.
        project: Its id.
    """

    addresses: StackAddresses
    client: Client
    reader: RowReader
    settings: Settings
    project: str = field(default_factory=lambda: f"lake/{uuid.uuid4().hex}")

    def add(self, stored: str, *rows: Row) -> None:
        """One INSERT into ClickHouse; the time that a table is sorted by is ``at``."""
        time = "timestamp" if stored in ("traces", "scores") else "start_time"
        insert_clickhouse_batch(
            self.client, stored, [json.dumps(self._full(stored, time, row)) for row in rows]
        )

    def add_to_postgres(self, stored: str, *rows: Row) -> None:
        """Rows of a table that has a project."""
        full = [json.dumps({"project_id": self.project, **row}) for row in rows]
        with postgres_transaction(self.addresses) as connection:
            insert_postgres_rows(connection, stored, full)

    def run_on_postgres(self, statement: str, *values: Any) -> None:
        """One statement of somebody who may do everything."""
        with postgres_transaction(self.addresses) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)

    def run(self, statement: str) -> None:
        """One statement; ``{here}`` stands for the condition that a row is of the project."""
        here = f"project_id = '{self.project}'"
        settings = {"mutations_sync": 2, "lightweight_deletes_sync": 2}
        self.client.command(statement.replace("{here}", here), settings=settings)

    def lake(self, bucket: Bucket | None = None) -> Lake:
        """The lake as a process finds it that has just been started."""
        settings = self.settings.model_copy(update={"lf_export_lake_projects": self.project})
        return open_lake(settings, self.reader, NOW, bucket)

    def fingerprints(
        self, table: LakeTable | str, days: Collection[str] = DAYS
    ) -> dict[str, Fingerprint]:
        """Of each day that has rows."""
        known = LAKE_TABLES[table] if isinstance(table, str) else table
        found = self.lake().observer.of(known, days)
        return {place.day: fingerprint for place, fingerprint in found.items()}

    def heal(
        self,
        table: str,
        days: Collection[str] = DAYS,
        bucket: Bucket | None = None,
        **options: Any,
    ) -> dict[str, Healed]:
        """What was done, by day."""
        healer = self.lake(bucket).healer
        return {each.place.day: each for each in healer.heal(LAKE_TABLES[table], days, **options)}

    def written(self, table: str, days: Collection[str] = DAYS) -> dict[str, Action]:
        """The days that were not left as they were, by what was done."""
        done = self.heal(table, days)
        return {day: one.action for day, one in done.items() if one.action is not Action.UNCHANGED}

    def table(self, table: str, day: str) -> pa.Table | None:
        """The object of a day as Arrow reads it; None: there is none."""
        bucket, keys = open_bucket(self.settings)
        data = bucket.read(keys.object(Place(table, self.project, day)))
        return pq.read_table(BytesIO(data)) if data is not None else None

    def rows(self, table: str, day: str) -> list[dict[str, Any]]:
        """The rows of a day in the order of the object."""
        found = self.table(table, day)
        rows: list[dict[str, Any]] = found.to_pylist() if found is not None else []
        return rows

    def manifest(self, table: str, day: str) -> Manifest | None:
        """What the lake says of a day."""
        return self.lake().manifests.read(Place(table, self.project, day))

    def files(self) -> dict[str, bytes]:
        """All that lies in a lake that is a folder, by path."""
        root = Path(self.settings.lake_path or "")
        files = [each for each in root.rglob("*") if each.is_file()]
        return {each.relative_to(root).as_posix(): each.read_bytes() for each in files}

    def _full(self, stored: str, time: str, row: Row) -> dict[str, Any]:
        given = dict(row)
        at = given.pop("at", moment(DAYS[0]))
        identity = {"id": given["id"]} if stored != "events_full" else {"span_id": given["id"]}
        if stored == "events_full":
            given.pop("id")
            identity["trace_id"] = "t"
        base = {**_TEXTS[stored], "project_id": self.project, "event_ts": at}
        when = {} if stored == "dataset_run_items_rmt" else {time: at}
        return {**base, **when, "created_at": at, "updated_at": at, **identity, **given}


def ids(rows: Sequence[Row]) -> list[str]:
    """Their ids, in order."""
    return [str(row["id"]) for row in rows]
