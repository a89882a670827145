"""The tables of ClickHouse that writers change while they are exported.

Every third version moves its row to another day, a score to another name as well, or to another
run: to another place of the sorting key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lf_export_pipeline_tests.exporting import Row
from lf_export_pipeline_tests.integration.core.concurrent_writers import (
    BEGINNING,
    DAYS,
    DELETION,
    FIRST,
    beginning_of,
    iso,
    text_of,
)

RUN_ITEMS = "dataset_run_items_rmt"


@dataclass(frozen=True, slots=True)
class Subject:
    """A table of ClickHouse as its writers know it.

    Attributes:
        table: Its name in the database.
        asked: What is asked for: the word in ``tableName``, and more.
        key: The column with the id.
        time: The column whose day is part of the sorting key.
        shown: The columns that tell the version, with the names that they have in the file.
        constant: What all rows have in common.
        place: A text that is part of the sorting key, if there is one, and moves with the day.
    """

    table: str
    asked: Mapping[str, Any]
    key: str
    time: str
    shown: Mapping[str, str]
    constant: Row = field(default_factory=dict)
    place: str | None = None

    def __str__(self) -> str:
        return " ".join([self.asked["table"], *("from events" for _ in list(self.asked)[1:])])

    @property
    def asked_for_unchanged(self) -> Mapping[str, Any]:
        """Those alone of which there is no newer version than the first, in another order."""
        column = "comment" if self.table == "scores" else "name"
        unchanged = {"type": "string", "column": column, "operator": "contains", "value": FIRST}
        return {
            **self.asked,
            "filters": [unchanged],
            "orderBy": {"column": column, "order": "DESC"},
        }

    def row(self, row_id: str, version: int = 0, *, is_deleted: bool = False) -> Row:
        """One version of a row; a deletion lies where the first version lies."""
        number = int(row_id.partition("-")[0])
        has_moved = version % 3 == 0 and not is_deleted
        day = (number + version * has_moved) % DAYS
        said = DELETION if is_deleted else text_of(row_id, version)
        texts = dict.fromkeys(self.shown, said)
        return {
            **self.constant,
            **texts,
            **({self.place: f"on day {day}"} if self.place else {}),
            self.key: row_id,
            self.time: iso(beginning_of(row_id) + timedelta(days=day, seconds=number % 3_600)),
            "event_ts": iso(BEGINNING + timedelta(milliseconds=version)),
            "is_deleted": int(is_deleted),
        }


_EVENTS = {"useEventsTable": True}
_TEXTS = {"name": "name", "version": "version", "input": "input", "output": "output"}
_USERS = {"user_id": "userId", "session_id": "sessionId"}
_TRACE = {"trace_id": "trace"}
_SCORE = {"comment": "comment", "string_value": "stringValue"}
_CATEGORY = {"data_type": "CATEGORICAL"}
_SPAN = {**_TEXTS, "user_id": "userId"}
_RUN_ITEM = {
    "trace_id": "traceId",
    "observation_id": "observationId",
    "dataset_item_id": "datasetItemId",
}
TRACES = Subject("traces", {"table": "traces"}, "id", "timestamp", {**_TEXTS, **_USERS})
SUBJECTS = (
    TRACES,
    Subject("observations", {"table": "observations"}, "id", "start_time", _TEXTS, _TRACE),
    Subject(
        "events_full", {"table": "observations", **_EVENTS}, "span_id", "start_time", _SPAN, _TRACE
    ),
    Subject(
        "events_full", {"table": "events"}, "span_id", "start_time", {**_TEXTS, **_USERS}, _TRACE
    ),
    Subject("scores", {"table": "scores"}, "id", "timestamp", _SCORE, _CATEGORY, "name"),
    Subject("scores", {"table": "scores", **_EVENTS}, "id", "timestamp", _SCORE, _CATEGORY, "name"),
    Subject(
        RUN_ITEMS,
        {"table": "dataset_run_items"},
        "id",
        "created_at",
        _RUN_ITEM,
        {"dataset_id": "ds"},
        "dataset_run_id",
    ),
)
ORDERED_SUBJECTS = [subject for subject in SUBJECTS if subject.table != RUN_ITEMS]
"""Those that users can filter and order."""
