"""Rows that hold hostile texts wherever a filter looks, and what each column of theirs holds.

The id of a row begins with its project, so that a row of another one can be told; everything else
is the same in all projects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lf_export_pipeline.core.query.filter_columns import FilterTable, ValueType
from lf_export_pipeline.core.query.postgres_filters import PostgresType
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.tables import (
    audit_logs,
    dataset_items,
    dataset_run_items,
    events,
    observation_filters,
    observations_events,
    score_filters,
    session_filters,
    traces,
)
from lf_export_pipeline.core.tables.postgres_reading import PostgresTable
from lf_export_pipeline.core.tables.session_events import SESSIONS_OF_EVENTS
from lf_export_pipeline.core.tables.session_reading import SessionSource
from lf_export_pipeline.core.tables.session_traces import SESSIONS_OF_TRACES
from lf_export_pipeline_tests.exporting import NOON, Project, Row

Held = None | str | list[str] | dict[str, str] | dict[str, float]
Add = Callable[[Project, str, str], None]

TEXT, TEXTS, MAP = ValueType.STRING, ValueType.STRING_ARRAY, ValueType.STRING_MAP
PAIRS, NUMBERS = ValueType.NAMED_ARRAYS, ValueType.SCORE_NUMBERS
CATEGORIES, BOOLEANS = ValueType.SCORE_CATEGORIES, ValueType.SCORE_BOOLEANS
TIMES = {"created_at": NOON, "updated_at": NOON}


def metadata(text: str) -> dict[str, str]:
    """An entry with a hostile value, one with a hostile key, and those that have filters."""
    known = dict.fromkeys(("key", "evaluator_id", "evaluation_rule_id"), text)
    return {**known, text: "value"}


def add_trace(project: Project, row: str, text: str) -> None:
    texts = dict.fromkeys(("name", "user_id", "version", "release", "environment"), text)
    project.add(
        "traces",
        {"id": row, "session_id": row, "tags": [text], "metadata": metadata(text), **texts},
    )


def add_scores(project: Project, row: str, text: str, **of: str) -> None:
    """A number, a word and a truth, all under the same hostile name."""
    typed: tuple[Row, ...] = (
        {"data_type": "NUMERIC", "value": 1},
        {"data_type": "CATEGORICAL", "value": 0, "string_value": text},
        {"data_type": "BOOLEAN", "value": 1, "string_value": "True"},
    )
    rows = ({"id": f"{row} {at} {[*of]}", "name": text, **of, **t} for at, t in enumerate(typed))
    project.add("scores", *rows)


def add_comment(project: Project, row: str, text: str, kind: str) -> None:
    comment = {"id": f"{row} {kind}", "content": text, "object_type": kind, "object_id": row}
    project.add_to_postgres("comments", comment)


def scored_trace(project: Project, row: str, text: str) -> None:
    add_trace(project, row, text)
    add_scores(project, row, text, trace_id=row)
    add_comment(project, row, text, "TRACE")


def scored_observation(project: Project, row: str, text: str) -> None:
    add_trace(project, row, text)
    names = (
        *("name", "type", "level", "parent_observation_id", "status_message", "environment"),
        *("provided_model_name", "internal_model_id", "version", "prompt_name"),
    )
    lists = {"tool_definitions": {text: "{}"}, "tool_call_names": [text]}
    texts = dict.fromkeys(names, text)
    own = {"id": row, "trace_id": row, "metadata": metadata(text)}
    project.add("observations", {**own, **texts, **lists})
    add_scores(project, row, text, trace_id=row, observation_id=row)
    add_comment(project, row, text, "OBSERVATION")


def add_span(project: Project, row: str, text: str) -> None:
    names = (
        *("name", "type", "level", "parent_span_id", "status_message", "environment", "release"),
        *("provided_model_name", "model_id", "version", "prompt_name", "trace_name", "user_id"),
        *("experiment_id", "experiment_name", "experiment_dataset_id", "input", "output", "source"),
        *("ingestion_api_key", "ingestion_sdk_name", "ingestion_sdk_version"),
    )
    values = metadata(text)
    lists = {"tags": [text], "tool_definitions": {text: "{}"}, "tool_call_names": [text]}
    pairs = {"metadata_names": [*values], "metadata_values": [*values.values()]}
    own = dict.fromkeys(("span_id", "trace_id", "session_id"), row)
    project.add("events_full", {**dict.fromkeys(names, text), **lists, **pairs, **own})


def scored_span(project: Project, row: str, text: str) -> None:
    add_span(project, row, text)
    add_scores(project, row, text, trace_id=row)
    add_scores(project, row, text, trace_id=row, observation_id=row)
    add_comment(project, row, text, "OBSERVATION")


def score(project: Project, row: str, text: str) -> None:
    names = ("name", "source", "comment", "author_user_id", "string_value", "environment")
    own = dict.fromkeys(("id", "trace_id", "observation_id", "session_id"), row)
    typed = {"data_type": "CATEGORICAL", "value": 0, "metadata": metadata(text)}
    project.add("scores", {**dict.fromkeys(names, text), **own, **typed})


def score_of_trace(project: Project, row: str, text: str) -> None:
    add_trace(project, row, text)
    score(project, row, text)


def score_of_span(project: Project, row: str, text: str) -> None:
    add_span(project, row, text)
    score(project, row, text)


def session_of_trace(project: Project, row: str, text: str) -> None:
    add_trace(project, row, text)
    add_scores(project, row, text, session_id=row)
    add_comment(project, row, text, "SESSION")


def session_of_span(project: Project, row: str, text: str) -> None:
    add_span(project, row, text)
    add_scores(project, row, text, session_id=row)
    add_comment(project, row, text, "SESSION")


def run_item(project: Project, row: str, text: str) -> None:
    texts = dict.fromkeys(("dataset_id", "dataset_run_id", "dataset_item_id"), text)
    project.add("dataset_run_items_rmt", {"id": row, "trace_id": row, **texts})
    add_scores(project, row, text, trace_id=row)


def item(project: Project, row: str, text: str) -> None:
    texts = dict.fromkeys(("dataset_id", "source_trace_id", "source_observation_id"), text)
    stored = {"id": row, "valid_from": NOON, "metadata": metadata(text), **texts, **TIMES}
    project.add_to_postgres("dataset_items", stored)


def log(project: Project, row: str, text: str) -> None:
    names = (
        *("api_key_id", "user_id", "org_id", "user_org_role", "user_project_role", "action"),
        *("resource_type", "resource_id", "before", "after"),
    )
    project.add_to_postgres("audit_logs", {"id": row, **dict.fromkeys(names, text), **TIMES})


@dataclass(frozen=True, slots=True)
class HostileSource:
    """A table that is exported, and how its rows come to be.

    Attributes:
        table: The word in ``tableName``.
        from_events: Whether it is read from the spans.
        add: Adds a row with this id and this text everywhere else.
        columns: What filters can name, by type; what holds no text is left out.
        own: The columns that hold the row's id.
        fixed: The columns that can hold a few words only, and what they hold.
        projects: The columns that hold the project's id.
    """

    table: str
    from_events: bool
    add: Add
    columns: Mapping[str, ValueType]
    own: tuple[str, ...] = ("id",)
    fixed: Mapping[str, str | None] = field(default_factory=dict)
    projects: tuple[str, ...] = ()

    def held(self, row: str, text: str) -> dict[str, Held]:
        """What such a row holds in each column."""
        kinds: dict[ValueType, Held] = {
            TEXT: text, TEXTS: [text], MAP: metadata(text), PAIRS: metadata(text),
            NUMBERS: {text: 1.0}, CATEGORIES: [f"{text}:{text}"], BOOLEANS: [f"{text}:true"],
        }  # fmt: skip
        held = {name: kinds[kind] for name, kind in self.columns.items()}
        project = row.partition(" ")[0]
        constant = {**self.fixed, **dict.fromkeys(self.projects, project)}
        return held | constant | dict.fromkeys(self.own, row)


def _filtered(table: FilterTable, **more: ValueType) -> dict[str, ValueType]:
    kinds = {TEXT, TEXTS, MAP, PAIRS, NUMBERS, CATEGORIES, BOOLEANS}
    known = {each.names[0]: each.value_type for each in table.columns if each.value_type in kinds}
    return known | more


def _stored(table: PostgresTable) -> dict[str, ValueType]:
    kinds = {PostgresType.TEXT: TEXT, PostgresType.JSON: MAP}
    columns = table.filters._columns.values()
    return {each.names[0]: kinds[each.type] for each in columns if each.type in kinds}


def _session_columns(source: SessionSource) -> dict[str, ValueType]:
    return _filtered(session_filters.filter_table(source, [], Params()), commentContent=TEXT)


_IDS = ("id", "traceId", "sessionId")
_SCORED = ("id", "traceId", "observationId", "sessionId")
_SCORES = _filtered(score_filters.FILTER_TABLE)
_TYPED = {"dataType": "CATEGORICAL", "booleanValue": None}
SOURCES = (
    HostileSource(
        "traces",
        False,
        scored_trace,
        _filtered(traces.FILTER_TABLE, commentContent=TEXT),
        _IDS,
        {"level": ""},
    ),
    HostileSource(
        "observations",
        False,
        scored_observation,
        _filtered(observation_filters.FILTER_TABLE, commentContent=TEXT),
        _IDS,
    ),
    HostileSource(
        "observations",
        True,
        scored_span,
        _filtered(observations_events.FILTER_TABLE, commentContent=TEXT),
        _IDS,
    ),
    HostileSource(
        "events", False, scored_span, _filtered(events.FILTER_TABLE, commentContent=TEXT), _IDS
    ),
    HostileSource("scores", False, score_of_trace, _SCORES, _SCORED, _TYPED),
    HostileSource("scores", True, score_of_span, _SCORES, _SCORED, _TYPED),
    HostileSource("sessions", False, session_of_trace, _session_columns(SESSIONS_OF_TRACES)),
    HostileSource("sessions", True, session_of_span, _session_columns(SESSIONS_OF_EVENTS)),
    HostileSource(
        "dataset_run_items", False, run_item, _filtered(dataset_run_items.FILTER_TABLE), ()
    ),
    HostileSource(
        "dataset_items", False, item, _stored(dataset_items.ITEMS), fixed={"status": "ACTIVE"}
    ),
    HostileSource(
        "audit_logs",
        False,
        log,
        _stored(audit_logs.LOGS),
        fixed={"type": "USER"},
        projects=("projectId",),
    ),
)
