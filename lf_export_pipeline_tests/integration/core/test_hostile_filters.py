"""Every type of filter on every column, with hostile texts: run, and its rows counted one by one.

A model in Python says which rows a filter leaves. Half of the texts are in rows, so that a filter
finds its own row by exactly its text; the others match nothing, or, in filters that exclude,
leave all rows of the project. A neighbour has the same rows under other ids.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given, settings

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.filter_columns import ValueType
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline_tests.exporting import Project, Row
from lf_export_pipeline_tests.integration.core.conftest import NewProject
from lf_export_pipeline_tests.integration.core.hostile_rows import (
    BOOLEANS,
    CATEGORIES,
    MAP,
    NUMBERS,
    PAIRS,
    SOURCES,
    TEXT,
    TEXTS,
    Held,
    HostileSource,
)
from lf_export_pipeline_tests.integration.core.hostile_texts import ABSENT, STORED
from lf_export_pipeline_tests.unit.fuzz.conftest import EXAMPLES
from lf_export_pipeline_tests.unit.fuzz.questions import TABLES, Asked, Query, questions

pytestmark = [pytest.mark.services, pytest.mark.long]

EVERY_SOURCE = pytest.mark.parametrize(
    "source", SOURCES, ids=[f"{one.table}{'-events' * one.from_events}" for one in SOURCES]
)
FUZZED = settings.get_profile("fuzz")
QUESTIONS_PER_SOURCE = max(6, EXAMPLES // 100)
COMMENTS = "commentContent"
ON_POSTGRES = {"dataset_items", "audit_logs"}
TEXT_OPERATORS = ("=", "contains", "does not contain", "starts with", "ends with")
CHOICES = ("any of", "none of")
KIND_OF = {
    TEXT: "string", TEXTS: "arrayOptions", MAP: "stringObject", PAIRS: "stringObject",
    NUMBERS: "numberObject", CATEGORIES: "categoryOptions", BOOLEANS: "booleanObject",
}  # fmt: skip
Filled = tuple[Project, dict[str, dict[str, Held]]]


@pytest.fixture
def filled(request: pytest.FixtureRequest, new_project: NewProject) -> Filled:
    """A project with a row for each stored text and a plain one, beside a neighbour with the same.

    What each row holds is given with it, by the ids of the rows.
    """
    source: HostileSource = request.getfixturevalue("source")
    theirs, ours = new_project(), new_project()
    for project, text in itertools.product((theirs, ours), (*STORED, "plain")):
        source.add(project, f"{project.id} {text}", text)
    rows = {row: text for text in (*STORED, "plain") for row in [f"{ours.id} {text}"]}
    return ours, {row: source.held(row, text) for row, text in rows.items()}


def hostile_filters(source: HostileSource, project: Project) -> Iterator[Row]:
    """Each filter that a column may take, with texts that are in a row and others in turn."""
    present, absent = itertools.cycle(STORED), itertools.cycle(ABSENT)
    for column, kind in source.columns.items():
        for _ in STORED if column == COMMENTS else [0]:  # most texts are patterns of ILIKE there
            texts = (next(present), next(absent))
            held = [f"{project.id} {text}" if column in source.own else text for text in texts]
            for wanted in FILTERS_OF[kind](held):
                yield {"column": column, **wanted}


def of_texts(held: list[str]) -> Iterator[Row]:
    for operator, value in zip(TEXT_OPERATORS, itertools.cycle(held)):
        yield {"type": "string", "operator": operator, "value": value}
    for operator, value in zip(CHOICES, held, strict=True):
        yield {"type": "stringOptions", "operator": operator, "value": [value]}


def of_objects(held: list[str]) -> Iterator[Row]:
    for operator, value in zip(TEXT_OPERATORS, itertools.cycle(held)):
        test = {"type": "stringObject", "operator": operator}
        yield {**test, "key": "key", "value": value}
        yield {**test, "key": value, "value": "value"}
    yield from of_numbers(held)


def of_numbers(held: list[str]) -> Iterator[Row]:
    for value in held:
        yield {"type": "numberObject", "operator": ">", "key": value, "value": 0}


def of_lists(held: list[str]) -> Iterator[Row]:
    for operator, value in zip(CHOICES, held, strict=True):
        yield {"type": "stringOptions", "operator": operator, "value": [value]}
        yield {"type": "arrayOptions", "operator": operator, "value": held}
        options = {"type": "categoryOptions", "operator": operator, "key": value}
        yield {**options, "value": [value, "x"]}
    for value in held:
        yield {"type": "arrayOptions", "operator": "all of", "value": [value]}
    for operator, value in zip(("=", "<>"), held, strict=True):
        yield {"type": "booleanObject", "operator": operator, "key": value, "value": True}


FILTERS_OF: dict[ValueType, Callable[[list[str]], Iterator[Row]]] = {
    TEXT: of_texts, MAP: of_objects, PAIRS: of_objects, NUMBERS: of_numbers, TEXTS: of_lists,
    CATEGORIES: of_lists, BOOLEANS: of_lists,
}  # fmt: skip


def matches(wanted: Row, held: Held, *, is_like: bool) -> bool:
    """What the filter says of one row, as Langfuse describes it; nothing is true of a null."""
    operator, value, key = wanted["operator"], wanted["value"], wanted.get("key", "")
    if held is None:
        return False
    match wanted["type"]:
        case "string":
            return text_holds(operator, str(held), value, is_like=is_like)
        case "stringObject":
            assert isinstance(held, dict)
            return key in held and text_holds(operator, str(held[key]), value, is_like=is_like)
        case "numberObject":
            assert isinstance(held, dict)
            return isinstance(held.get(key), float)
    is_wanted: bool = operator not in {"none of", "<>"}
    return is_wanted == overlaps(wanted, [held] if isinstance(held, str) else [*held])


def overlaps(wanted: Row, held: list[str]) -> bool:
    """Whether a list has what is asked for; one of options is the whole list."""
    value, key = wanted["value"], wanted.get("key")
    match wanted["type"]:
        case "stringOptions":
            return bool(held == value)
        case "arrayOptions" if wanted["operator"] == "all of":
            return set(value) <= set(held)
        case "arrayOptions":
            return bool(set(value) & set(held))
        case "categoryOptions":
            return bool({f"{key}:{one}" for one in value} & set(held))
        case _:
            return f"{key}:true" in held


def text_holds(operator: str, held: str, value: str, *, is_like: bool) -> bool:
    """A test of a text; Postgres ignores case, and takes ``%``, ``_`` and ``\\`` for a pattern."""
    if is_like and operator != "=":
        return like(operator, held, value)
    tests: dict[str, Callable[[], bool]] = {
        "=": lambda: held == value,
        "contains": lambda: value in held,
        "does not contain": lambda: value not in held,
        "starts with": lambda: held.startswith(value),
        "ends with": lambda: held.endswith(value),
    }
    return tests[operator]()


def like(operator: str, held: str, value: str) -> bool:
    """``ILIKE``, as a regular expression."""
    patterns = {"starts with": f"{value}%", "ends with": f"%{value}"}
    pattern = patterns.get(operator, f"%{value}%")
    live = {"%": ".*", "_": "."}
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    parts = [live.get(one) or re.escape(one[-1]) for one in tokens]
    found = re.fullmatch("".join(parts), held, re.DOTALL | re.IGNORECASE)
    is_excluded: bool = operator == "does not contain"
    return is_excluded == (found is None)


@EVERY_SOURCE
def test_a_hostile_filter_leaves_exactly_the_rows_that_it_says(
    source: HostileSource, filled: Filled
) -> None:
    project, held = filled
    finds: dict[str, set[int]] = {column: set() for column in source.columns}
    kinds: set[tuple[str, str]] = set()
    for wanted in hostile_filters(source, project):
        found = found_by(project, source, wanted)
        if isinstance(found, InvalidFilterError):
            assert "\n" not in found.user_message
            assert len(found.user_message) < 1_000
        elif is_full_text(wanted):
            assert found <= set(held)
        else:
            assert found == expected(source, wanted, held), wanted
            finds[wanted["column"]].add(len(found))
            kinds.add((wanted["column"], wanted["type"]))
    assert {(column, KIND_OF[kind]) for column, kind in source.columns.items()} <= kinds
    constant = {column for column, counts in finds.items() if counts <= {0, len(held)}}
    assert constant == {*source.fixed, *source.projects}
    assert all(counts & {0, len(held)} for counts in finds.values())


@pytest.mark.fuzz
@EVERY_SOURCE
def test_rows_of_other_projects_stay_out_whatever_is_asked(
    source: HostileSource, filled: Filled
) -> None:
    project, held = filled
    (table,) = [each for each in TABLES if is_read_as(each, source)]
    everything: Query = {"tableName": source.table, "filter": []}
    everything |= {"useEventsTable": True} if source.from_events else {}
    found: set[str] = set()

    @settings(FUZZED, max_examples=QUESTIONS_PER_SOURCE)
    @given(query=questions((table,)))
    @example(query=everything)
    def asked(query: Query) -> None:
        with suppress(InvalidFilterError):
            found.update(project.export(**in_words_of_export(query)).ids)

    asked()

    assert found == {*held}


def is_read_as(asked: Asked, source: HostileSource) -> bool:
    return (asked.table, asked.from_events) == (source.table, source.from_events)


def in_words_of_export(query: Query) -> Query:
    return {"table": query["tableName"], "filters": query["filter"]} | {
        name: value for name, value in query.items() if name not in {"tableName", "filter"}
    }


def test_every_table_is_here() -> None:
    assert {source.table for source in SOURCES} == set(table_names()) - {"numbers"}


def found_by(project: Project, source: HostileSource, wanted: Row) -> set[str] | InvalidFilterError:
    """The ids of the rows that are left, or the refusal; errors of a server are none."""
    try:
        return project.ids(source.table, wanted, useEventsTable=source.from_events)
    except InvalidFilterError as refusal:
        return refusal


def is_full_text(wanted: Row) -> bool:
    """Such a search knows words only, and stems them."""
    return (wanted["column"], wanted["operator"]) == (COMMENTS, "contains")


def expected(source: HostileSource, wanted: Row, held: dict[str, dict[str, Held]]) -> set[str]:
    column = wanted["column"]
    is_comment = column == COMMENTS
    is_like = source.table in ON_POSTGRES or is_comment
    if is_comment and wanted["operator"] == "=":  # which looks for a part of the text
        wanted = {**wanted, "operator": "contains"}
    return {
        row for row, columns in held.items() if matches(wanted, columns[column], is_like=is_like)
    }
