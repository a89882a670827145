"""Questions as the web app asks them, with hostile text wherever a user can type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

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
from lf_export_pipeline.core.tables.session_traces import SESSIONS_OF_TRACES
from lf_export_pipeline_tests.unit.fuzz.strategies import hostile

Query = dict[str, Any]

_COMMENTED = {"commentCount": "number", "commentContent": "string"}
_TYPES = {
    ValueType.STRING: ("string", "stringOptions"),
    ValueType.NUMBER: ("number",),
    ValueType.DATETIME: ("datetime",),
    ValueType.BOOLEAN: ("boolean",),
    ValueType.STRING_ARRAY: ("arrayOptions", "stringOptions"),
    ValueType.STRING_MAP: ("stringObject",),
    ValueType.NAMED_ARRAYS: ("stringObject",),
    ValueType.SCORE_NUMBERS: ("numberObject",),
    ValueType.SCORE_CATEGORIES: ("categoryOptions", "stringOptions"),
    ValueType.SCORE_BOOLEANS: ("booleanObject",),
    PostgresType.TEXT: ("string", "stringOptions"),
    PostgresType.INSTANT: ("datetime",),
    PostgresType.JSON: ("stringObject", "numberObject"),
}
_TESTS = ("=", "contains", "does not contain", "starts with", "ends with")
_COMPARISONS = ("=", ">", "<", ">=", "<=")
_CHOICES = ("any of", "none of")
_OPERATORS = {
    "string": _TESTS,
    "stringObject": _TESTS,
    "number": _COMPARISONS,
    "numberObject": _COMPARISONS,
    "datetime": _COMPARISONS[1:],
    "boolean": ("=", "<>"),
    "booleanObject": ("=", "<>"),
    "stringOptions": _CHOICES,
    "categoryOptions": _CHOICES,
    "arrayOptions": (*_CHOICES, "all of"),
    "null": ("is null", "is not null"),
}
_texts = st.lists(hostile, min_size=1, max_size=3)
_numbers = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=40)
)
_instants = st.datetimes().map(lambda each: f"{each.isoformat(timespec='milliseconds')}Z")
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": hostile,
    "stringObject": hostile,
    "number": _numbers,
    "numberObject": _numbers,
    "datetime": _instants,
    "boolean": st.booleans(),
    "booleanObject": st.booleans(),
    "stringOptions": _texts,
    "categoryOptions": _texts,
    "arrayOptions": _texts,
    "null": st.just(""),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A table as it is asked about.

    Attributes:
        table: The word in ``tableName``.
        from_events: Whether it is read from the spans.
        columns: The types of filters that each column takes, by each of its names.
        orders: The columns that the file can be ordered by.
        has_search: Whether a search is listened to.
    """

    table: str
    from_events: bool
    columns: Mapping[str, tuple[str, ...]]
    orders: tuple[str, ...] = ()
    has_search: bool = False


def _filtered(table: FilterTable, **more: str) -> dict[str, tuple[str, ...]]:
    taken = {
        name: (*_TYPES[each.value_type], "null") for each in table.columns for name in each.names
    }
    return taken | {name: (kind,) for name, kind in more.items()}


def _stored(table: PostgresTable) -> dict[str, tuple[str, ...]]:
    known = table.filters._columns.items()
    return {name: (*_TYPES[each.type], "null") for name, each in known}


def _tracing(name: str, table: FilterTable, *, from_events: bool = False) -> Asked:
    return Asked(name, from_events, _filtered(table, **_COMMENTED), (), has_search=True)


def _ordered(name: str, table: FilterTable, *, from_events: bool, **more: str) -> Asked:
    orders = tuple(each.names[0] for each in table.columns if each.value_type is not _NO_ORDER)
    return Asked(name, from_events, _filtered(table, **more), orders)


_NO_ORDER = ValueType.SCORE_NUMBERS
_SESSIONS = (
    session_filters.filter_table(SESSIONS_OF_TRACES, [], Params()),
    session_filters.filter_table(SESSIONS_OF_EVENTS, [], Params()),
)
TABLES = (
    _tracing("traces", traces.FILTER_TABLE),
    _tracing("observations", observation_filters.FILTER_TABLE),
    _tracing("observations", observations_events.FILTER_TABLE, from_events=True),
    _tracing("events", events.FILTER_TABLE),
    _ordered("scores", score_filters.FILTER_TABLE, from_events=False),
    _ordered("scores", score_filters.FILTER_TABLE, from_events=True),
    _ordered("sessions", _SESSIONS[0], from_events=False, **_COMMENTED),
    _ordered("sessions", _SESSIONS[1], from_events=True, **_COMMENTED),
    Asked("dataset_run_items", False, _filtered(dataset_run_items.FILTER_TABLE)),
    Asked("dataset_items", False, _stored(dataset_items.ITEMS)),
    Asked("audit_logs", False, _stored(audit_logs.LOGS)),
)


@st.composite
def filters_of(draw: st.DrawFn, asked: Asked) -> Query:
    """A filter that a column of the table takes."""
    column = draw(st.sampled_from(sorted(asked.columns)))
    kind = draw(st.sampled_from(asked.columns[column]))
    wanted = {
        "column": column,
        "type": kind,
        "operator": draw(st.sampled_from(_OPERATORS[kind])),
        "value": draw(_VALUES[kind]),
    }
    has_key = kind in {"stringObject", "numberObject", "categoryOptions", "booleanObject"}
    return {**wanted, "key": draw(hostile)} if has_key else wanted


@st.composite
def questions(draw: st.DrawFn, tables: tuple[Asked, ...] = TABLES) -> Query:
    """A stored query with at least one filter."""
    asked: Asked = draw(st.sampled_from(tables))
    filters = draw(st.lists(filters_of(asked), min_size=1, max_size=3))
    query: Query = {"tableName": asked.table, "filter": filters, "orderBy": None}
    if asked.from_events:
        query["useEventsTable"] = True
    chosen: bool = draw(st.booleans())
    if chosen and asked.orders:
        order = draw(st.sampled_from(["ASC", "DESC"]))
        query["orderBy"] = {"column": draw(st.sampled_from(asked.orders)), "order": order}
    if chosen and asked.has_search:
        kinds = st.lists(st.sampled_from(["id", "content"]), min_size=1, max_size=2, unique=True)
        query |= {"searchQuery": draw(hostile), "searchType": draw(kinds)}
    return query


_found_ids = st.lists(st.tuples(hostile, st.just(3)), max_size=3)
_counts = st.sampled_from([0, 10**9])
answers = st.fixed_dictionaries(
    {
        "score_names": st.lists(st.tuples(hostile), max_size=3, unique=True),
        "score_count": _counts.map(lambda count: [(count,)]),
        "comment_count": _counts.map(lambda count: [(count, count)]),
        "comments_included": _found_ids,
        "comments_excluded": _found_ids,
        "bookmarked_sessions": st.lists(st.tuples(hostile), max_size=3),
    }
)
"""What the stores may answer before a table compiles a question, by the name of the statement."""
