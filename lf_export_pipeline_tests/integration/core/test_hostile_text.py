"""Nothing a user types becomes SQL: hostile texts in every place, compiled and run for every table.

Each text carries a marker. It may stand in bound values only, no engine may take offence, and no
row of another project may appear, however the text tries to end its quotes. Which rows each filter
leaves is counted in ``test_hostile_filters``.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.query.export_query import Answers
from lf_export_pipeline.core.query.score_names import COUNT_ANSWER
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables import (
    dataset_run_items,
    events,
    observation_filters,
    observations_events,
    table_names,
    table_source,
    traces,
)
from lf_export_pipeline.core.tables.tracing import COMMENTS_ANSWER
from lf_export_pipeline_tests.effort import some
from lf_export_pipeline_tests.exporting import NOON, Project, Row, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject
from lf_export_pipeline_tests.integration.core.hostile_texts import HOSTILE, MARKER

COUNTS = {COUNT_ANSWER, COMMENTS_ANSWER}
pytestmark = [pytest.mark.services, pytest.mark.sampled]

SOURCES = [
    ("traces", False),
    ("observations", False),
    ("observations", True),
    ("events", False),
    ("scores", False),
    ("scores", True),
    ("sessions", False),
    ("sessions", True),
    ("dataset_run_items", False),
    ("dataset_items", False),
    ("audit_logs", False),
]
EVERY_SOURCE = pytest.mark.parametrize(("table", "from_events"), SOURCES)
SEARCHED = pytest.mark.parametrize(("table", "from_events"), SOURCES[:4])

COLUMNS_OF = {
    ("traces", False): traces.FILTER_TABLE,
    ("observations", False): observation_filters.FILTER_TABLE,
    ("observations", True): observations_events.FILTER_TABLE,
    ("events", False): events.FILTER_TABLE,
    ("dataset_run_items", False): dataset_run_items.FILTER_TABLE,
}
FURTHER_COLUMNS = (
    *("id", "traceId", "observationId", "sessionId", "name", "source", "comment", "authorUserId"),
    *("dataType", "stringValue", "traceName", "userId", "userIds", "trace_tags", "traceTags"),
    *("environment", "metadata", "evaluatorId", "scores_avg", "score_categories"),
    *("score_booleans", "sourceTraceId", "status", "type", "resourceType", "before"),
    *("commentContent", "Comment Content"),
)
TEXT_FILTERS = (
    *(("string", each) for each in ("=", "contains", "does not contain", "starts with")),
    ("string", "ends with"),
    *(("stringOptions", each) for each in ("any of", "none of")),
    *(("arrayOptions", each) for each in ("all of", "none of")),
)
KEYED_FILTERS = (
    ("stringObject", "contains", "value"),
    ("stringObject", "=", "value"),
    ("numberObject", ">", 1),
    ("categoryOptions", "any of", ["value"]),
    ("categoryOptions", "none of", ["value"]),
    ("booleanObject", "<>", True),
)


@pytest.fixture(scope="module")
def ours(new_project: NewProject) -> Project:
    """A project with a row in every table, beside another one with other rows."""
    theirs, ours = new_project(), new_project()
    for project, prefix in ((theirs, "theirs"), (ours, "ours")):
        _fill(project, prefix)
    return ours


def _fill(project: Project, prefix: str) -> None:
    row = f"{prefix}-row"
    times = {"created_at": NOON, "updated_at": NOON}
    texts: Row = {"input": "text", "output": "text", "metadata": {"key": "value"}}
    project.add("traces", {"id": row, "session_id": row, "user_id": "u", "tags": ["x"], **texts})
    project.add("observations", {"id": row, "trace_id": row, **texts})
    span = {"span_id": row, "trace_id": row, "session_id": row, "input": "text", "output": "text"}
    project.add("events_full", {**span, "metadata_names": ["key"], "metadata_values": ["value"]})
    score = {"id": row, "trace_id": row, "observation_id": row, "name": "n", "value": 1}
    project.add("scores", score)
    item = {"dataset_id": "ds", "dataset_run_id": "r", "dataset_item_id": "i", "trace_id": row}
    project.add("dataset_run_items_rmt", {"id": row, **item})
    stored = {"id": row, "dataset_id": "ds", "valid_from": NOON, "metadata": {"key": "value"}}
    project.add_to_postgres("dataset_items", {**stored, **times})
    log = {"id": f"{prefix}-{project.id}", "org_id": "org", "type": "USER", "resource_id": "r"}
    project.add_to_postgres(
        "audit_logs", {**log, "resource_type": "trace", "action": "create", **times}
    )
    for kind in ("TRACE", "OBSERVATION", "SESSION"):
        comment = {"id": f"{project.id}-{kind}", "content": "text", "object_id": row}
        project.add_to_postgres("comments", {"object_type": kind, **comment})


def columns_of(table: str, from_events: bool) -> list[str]:
    """Names of columns; those that a table lacks must be refused with a sentence."""
    known = COLUMNS_OF.get((table, from_events))
    own = [column.names[0] for column in known.columns] if known else []
    return list(dict.fromkeys([*own, *FURTHER_COLUMNS]))


def hostile_filters(columns: Sequence[str]) -> list[Row]:
    """Every type of filter on every column, a hostile text in the place for the value or key."""
    texts = itertools.cycle(HOSTILE)
    filters: list[Row] = []
    for column in columns:
        for kind, operator in TEXT_FILTERS:
            text = next(texts)
            filters.append(where(column, kind, operator, text if kind == "string" else [text]))
        for kind, operator, value in KEYED_FILTERS:
            filters.append(where(column, kind, operator, value, key=next(texts)))
    filters.append(where("metadata", "stringObject", "=", next(texts), key="key"))
    return filters


def statements_of(project: Project, request: ExportRequest) -> list[Statement]:
    """All that would be asked, without asking; no comment and no score is known, nor how many."""
    source = table_source(request.query.table)
    asked = source.preflight_queries(request, project.settings.limits)
    answers: Answers = {name: [("row", 1)] for name in asked if name not in COUNTS}
    query = source.compile(request, answers, project.settings.limits).keyed((1, 2))
    read = [query.key_scan, query.chunk_rows, query.sample]
    lookups = (lookup.statement for lookup in query.lookups)
    return [*asked.values(), *(each for each in read if each is not None), *lookups]


def assert_bound(statements: Sequence[Statement]) -> None:
    assert not [each.sql for each in statements if MARKER in each.sql]
    bound = json.dumps([each.params for each in statements], default=str)
    assert MARKER in bound


def compiled(project: Project, request: ExportRequest) -> list[Statement] | PermanentError:
    """The statements, or the refusal."""
    try:
        return statements_of(project, request)
    except PermanentError as refusal:
        return refusal


def assert_one_line(refusal: PermanentError) -> None:
    assert "\n" not in refusal.user_message
    assert len(refusal.user_message) < 1_000


def accepted(
    project: Project, table: str, from_events: bool, filters: Sequence[Row]
) -> Iterator[Row]:
    """The filters that can be applied, all of them bound; the others are refused in one line."""
    for each in filters:
        request = project.request(table, [each], useEventsTable=from_events)
        outcome = compiled(project, request)
        if isinstance(outcome, PermanentError):
            assert_one_line(outcome)
        else:
            assert_bound(outcome)
            yield each


@EVERY_SOURCE
def test_hostile_values_and_keys_are_bound_or_refused(
    ours: Project, table: str, from_events: bool
) -> None:
    filters = hostile_filters(columns_of(table, from_events))
    assert len(list(accepted(ours, table, from_events, filters))) > 5


@EVERY_SOURCE
def test_hostile_columns_are_refused_in_one_line(
    ours: Project, table: str, from_events: bool
) -> None:
    for text in HOSTILE:
        for each in (where(text, "string", "=", "x"), where(text, "null", "is null", "")):
            request = ours.request(table, [each], useEventsTable=from_events)
            outcome = compiled(ours, request)
            assert isinstance(outcome, PermanentError)
            assert_one_line(outcome)


@EVERY_SOURCE
def test_hostile_orders_are_refused_or_ignored(
    ours: Project, table: str, from_events: bool
) -> None:
    for text in HOSTILE:
        order = {"column": text, "order": "DESC"}
        request = ours.request(table, orderBy=order, useEventsTable=from_events)
        outcome = compiled(ours, request)
        if isinstance(outcome, PermanentError):
            assert_one_line(outcome)
        else:
            assert not [each.sql for each in outcome if MARKER in each.sql]


@SEARCHED
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_searches_are_bound_and_harmless(
    ours: Project, table: str, from_events: bool, text: str
) -> None:
    types = ["id", "content"]
    request = ours.request(table, searchQuery=text, searchType=types, useEventsTable=from_events)
    statements = statements_of(ours, request)
    assert_bound(statements)
    (scan,) = (each for each in statements if "LIMIT" in each.sql and MARKER in str(each.params))
    assert ours.reader.rows(scan) == []


@SEARCHED
def test_hostile_rows_are_found_by_exactly_their_own_texts(
    project: Project, table: str, from_events: bool
) -> None:
    stored = {"traces": "traces", "observations": "observations", "events": "events_full"}[table]
    stored = "events_full" if from_events else stored
    key = "span_id" if stored == "events_full" else "id"
    project.add(stored, *({key: text, "name": text, "trace_id": "t"} for text in HOSTILE))
    options = {"useEventsTable": from_events}
    name = "traceName" if table == "traces" else "name"
    for text in some(HOSTILE):
        assert project.ids(table, where(name, "string", "=", text), **options) == {text}
    chosen = where("id", "stringOptions", "any of", HOSTILE[::2])
    assert project.ids(table, chosen, **options) == set(HOSTILE[::2])
    others = where("id", "stringOptions", "none of", HOSTILE[1:])
    assert project.ids(table, others, **options) == {HOSTILE[0]}


@EVERY_SOURCE
def test_hostile_project_ids_are_bound(project: Project, table: str, from_events: bool) -> None:
    """Control characters are refused with the request; the others name a project without rows."""
    texts = [text for text in HOSTILE if text.isprintable() and len(text) < 100]
    for text in texts:
        hostile = replace(project, id=text.replace(",", ""))
        statements = statements_of(hostile, hostile.request(table, useEventsTable=from_events))
        assert_bound(statements)
    together = replace(project, id=texts[0])
    assert together.export(table, useEventsTable=from_events).data == b""


@SEARCHED
@pytest.mark.parametrize("file_format", ["CSV", "JSONL"])
def test_hostile_scores_are_columns_and_cells_of_their_own_project(
    new_project: NewProject, table: str, from_events: bool, file_format: str
) -> None:
    """Other tables have no columns of scores; their filters know hostile names, too."""
    theirs, ours = new_project(), new_project()
    for project, more in ((theirs, " of theirs"), (ours, "")):
        _fill(project, "the")
        project.add("scores", *(_score(table, at, f"{t}{more}") for at, t in enumerate(HOSTILE)))
    found = ours.export(table, file_format=file_format, useEventsTable=from_events)
    assert set(found.query.score_columns) == {*HOSTILE, "n"}
    assert_bound([lookup.statement for lookup in found.query.lookups])
    cells = found.cells if file_format == "CSV" else found.row
    read = json.loads if file_format == "CSV" else list
    assert [read(cells[text]) for text in HOSTILE] == [
        [1] if at % 2 else [text] for at, text in enumerate(HOSTILE)
    ]
    assert read(cells["n"]) == [1]


def _score(table: str, at: int, text: str) -> Row:
    """A number, or the hostile text once more, under a hostile name."""
    number = {"data_type": "NUMERIC", "value": 1}
    word = {"data_type": "CATEGORICAL", "value": 0, "string_value": text}
    of = {"trace_id": "the-row", "observation_id": None if table == "traces" else "the-row"}
    return {"id": str(at), "name": text, **of, **(number if at % 2 else word)}


def test_every_table_is_here() -> None:
    assert {table for table, _ in SOURCES} == set(table_names()) - {"numbers"}
