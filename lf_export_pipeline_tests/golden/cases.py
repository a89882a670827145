"""A recorded case: the row of the export, and what was different in the worker's world."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def _case(path: Path) -> Case:
    recorded = json.loads(path.read_bytes())
    return Case(
        name=path.parent.name,
        row={name: value for name, value in recorded.items() if name not in NOT_OF_THE_ROW},
        env=recorded.get("env") or {},
        payload=recorded.get("payload") or {},
        inserted=recorded.get("inserted", True),
    )
