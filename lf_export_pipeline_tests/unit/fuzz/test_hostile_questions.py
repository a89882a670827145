"""A question that is well-formed and full of hostile text: every statement of it is sound."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.query.export_query import Answers
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline_tests.unit.fuzz.conftest import EXAMPLES
from lf_export_pipeline_tests.unit.fuzz.questions import Query, answers, questions
from lf_export_pipeline_tests.unit.fuzz.strategies import MARKER
from lf_export_pipeline_tests.unit.fuzz.tenancy import (
    tables_read,
    unbound_tables,
    without_literals,
)
from lf_export_pipeline_tests.unit.fuzz.test_hostile_input import (
    assert_is_a_sentence,
    statements_of,
    stored,
)

pytestmark = pytest.mark.fuzz

PROJECT = "project-of-ours"
FUZZED = settings(settings.get_profile("fuzz"), max_examples=EXAMPLES)
PLACEHOLDER = (re.compile(r"\{(\w+):"), re.compile(r"(?<!:):(\w+)"))  # of ClickHouse, of Postgres
OF_CHUNKS = re.compile(r"lo_\d+|hi_\d+|keys|hash_key_[01]")
SOUND_SHARE = 0.9


def test_hostile_text_in_a_sound_question_is_bound_and_every_table_is_bound_to_the_project() -> (
    None
):
    seen: Counter[str] = Counter()

    @FUZZED
    @given(query=questions(), found=answers)
    def asked(query: Query, found: Answers) -> None:
        seen["asked"] += 1
        try:
            request = parse_request(stored(query))
            statements = statements_of(request, found)
        except ExportError as error:
            assert_is_a_sentence(error)
            return
        declared = {table.name for table in table_source(request.query.table).reads}
        for statement in statements:
            assert_is_sound(statement)
            assert {read.table for read in tables_read(statement.sql)} <= declared
        seen["compiled"] += 1
        seen["with scores"] += any("groupArrayIf" in each.sql for each in statements)

    asked()

    assert seen["compiled"] > SOUND_SHARE * seen["asked"]
    assert seen["with scores"]


def assert_is_sound(statement: Statement) -> None:
    assert MARKER not in statement.sql
    assert PROJECT not in statement.sql
    assert [*tables_read(statement.sql)], statement.sql
    assert unbound_tables(statement, PROJECT) == [], statement.sql
    placeholder = PLACEHOLDER[statement.store is Store.POSTGRES]
    named = {*placeholder.findall(without_literals(statement.sql))}
    assert {name for name in named if not OF_CHUNKS.fullmatch(name)} <= {*statement.params}


BOUND = "FROM traces AS t WHERE t.project_id = {p0:String}"


@pytest.mark.parametrize(
    ("sql", "unbound"),
    [
        (f"SELECT id {BOUND} AND (a OR b)", []),
        (f"SELECT id {BOUND} AND a OR b", ["traces"]),
        ("SELECT id FROM traces AS t WHERE t.project_id = {p1:String}", ["traces"]),
        (f"SELECT id {BOUND} AND t.id IN (SELECT trace_id FROM scores)", ["scores"]),
        (f"SELECT id {BOUND} UNION ALL SELECT id FROM traces AS t", ["traces"]),
        ("SELECT ')', id FROM scores WHERE x = '(project_id = {p0:String}'", ["scores"]),
        ("SELECT d.id FROM traces t JOIN datasets d ON d.id = t.id WHERE t.project_id = :p0",
         ["datasets"]),
        ("SELECT d.id FROM traces t JOIN datasets d ON d.project_id = t.project_id "
         "WHERE t.project_id = :p0", []),
    ],
)  # fmt: skip
def test_a_table_that_is_not_bound_is_found(sql: str, unbound: list[str]) -> None:
    params = {"p0": PROJECT, "p1": "another"}
    statement = Statement(store=Store.CLICKHOUSE, sql=sql, params=params)
    assert unbound_tables(statement, PROJECT) == unbound
