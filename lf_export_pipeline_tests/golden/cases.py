"""A recorded case: the row of the export, and what was different in the worker's world."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lf_export_localstack.sample.rows import insert_postgres_rows, postgres_transaction
from lf_export_localstack.stack.stack_addresses import StackAddresses

NOT_OF_THE_ROW = ("env", "payload", "inserted")


@dataclass(frozen=True, slots=True)
class Case:
    """What ``export.json`` of a case's folder says.

    Attributes:
        row: The row of ``batch_exports`` by column name.
        env: Variables of the worker that differ from the usual ones; an empty one is unset.
        payload: What the message in the original's queue held in place of the row's ids.
        inserted: Whether there is a row at all.
    """

    name: str
    row: Mapping[str, Any]
    env: Mapping[str, str]
    payload: Mapping[str, str]
    inserted: bool

    @property
    def export_id(self) -> str:
        """The export that the message asked for."""
        return self.payload.get("batchExportId", self.row["id"])

    @property
    def project_id(self) -> str:
        """The project that the message named."""
        return self.payload.get("projectId", self.row["project_id"])


def read_cases(directory: Path, only: str | None = None) -> Iterator[Case]:
    """The cases below a directory by name, those whose name matches where that is asked for."""
    for path in sorted(directory.glob("*/export.json")):
        if only is None or re.search(only, path.parent.name):
            yield _case(path)


def insert_row(addresses: StackAddresses, case: Case) -> None:
    """Write the row of a case exactly as it was recorded, in place of one of an earlier run."""
    with postgres_transaction(addresses) as connection:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM batch_exports WHERE id = %s", (case.row["id"],))
        insert_postgres_rows(connection, "batch_exports", [json.dumps(case.row)])


def representatives(cases: Iterable[Case]) -> list[Case]:
    """The first case of each table in each format, of each status, each setting, each message."""
    seen: set[object] = set()
    return [case for case in cases if _is_new(case, seen)]


def _is_new(case: Case, seen: set[object]) -> bool:
    query = case.row["query"]
    table = query.get("tableName") if isinstance(query, dict) else query
    features = {
        ("table", repr(table), case.row["format"]),
        ("status", case.row["status"]),
        *(("setting", name) for name in case.env),
        *(("message", name) for name in case.payload),
        ("inserted", case.inserted),
    }
    is_new = not features <= seen
    seen |= features
    return is_new


def _case(path: Path) -> Case:
    recorded = json.loads(path.read_bytes())
    return Case(
        name=path.parent.name,
        row={name: value for name, value in recorded.items() if name not in NOT_OF_THE_ROW},
        env=recorded.get("env") or {},
        payload=recorded.get("payload") or {},
        inserted=recorded.get("inserted", True),
    )
