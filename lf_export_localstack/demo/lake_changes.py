"""What the demo does to Langfuse's tables behind the lake's back."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

_HERE = "project_id = {project:String} AND toDate(timestamp) = {day:Date}"
_ONE = f"id = (SELECT min(id) FROM traces WHERE {_HERE})"
_COLUMNS = (
    "timestamp, name, user_id, metadata, release, version, project_id, environment, public, "
    "bookmarked, tags, input, output, session_id, created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done to one day.

    Attributes:
        name: What it is called.
        statement: For ClickHouse.
        is_seen: Whether the lake has to be written.
    """

    name: str
    statement: str
    is_seen: bool = True


CHANGES = (
    Change(
        "a late row with an old event_ts",
        f"INSERT INTO traces (id, {_COLUMNS}, event_ts) SELECT 'late', {_COLUMNS}, "
        f"toDateTime64('2020-01-01 00:00:00', 3) FROM traces WHERE {_HERE} AND {_ONE} LIMIT 1",
    ),
    Change(
        "a new version of a row",
        f"INSERT INTO traces (id, {_COLUMNS}, event_ts) SELECT id, {_COLUMNS}, "
        f"now64(3) FROM traces WHERE {_HERE} AND {_ONE} LIMIT 1",
    ),
    Change(
        "an edit in place",
        f"ALTER TABLE traces UPDATE bookmarked = NOT bookmarked WHERE {_HERE}",
    ),
    Change("DELETE FROM", f"DELETE FROM traces WHERE {_HERE} AND id < '8'"),
    Change("a merge", "OPTIMIZE TABLE traces FINAL", is_seen=False),
)


def change(client: Client, project: str, days: Sequence[str]) -> None:
    """Does each of them to a day of its own."""
    settings = {"mutations_sync": 2, "lightweight_deletes_sync": 2}
    for each, day in zip(CHANGES, days, strict=True):
        values = {"project": project, "day": day}
        client.command(each.statement, parameters=values, settings=settings)
