"""The tables are those of Langfuse, as far as they were written down from a live one."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from clickhouse_connect.driver.client import Client
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sql.schema import create_clickhouse_tables, create_postgres_tables
from lf_export_localstack.stack.local_stack import LocalStack

pytestmark = [pytest.mark.services, pytest.mark.long]

FACTS = Path(__file__).parents[3] / "shared" / "SCHEMA.md"
CLICKHOUSE_TABLES = [
    "traces",
    "observations",
    "scores",
    "dataset_run_items_rmt",
    "events_full",
    "events_core",
]
OF_NO_EXPORT = {"project_memberships", "pending_deletions"}  # the facts are about exports
Columns = list[tuple[str, str, str]]


@pytest.fixture(scope="module")
def facts() -> str:
    if not FACTS.is_file():
        pytest.skip(f"the facts about Langfuse's tables are not in {FACTS}")
    return FACTS.read_text()


@pytest.fixture
def client(stack: LocalStack) -> Iterator[Client]:
    with clickhouse_client(stack.addresses()) as client:
        yield client


@pytest.fixture
def cursor(stack: LocalStack) -> Iterator[Cursor]:
    connection = psycopg2.connect(stack.addresses().database_url)
    with connection, connection.cursor() as cursor:
        yield cursor
    connection.close()


def _section(facts: str, table: str) -> str:
    return facts.split(f"\n### {table}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]


def _clickhouse_columns(facts: str, table: str) -> Columns:
    rows = re.findall(
        r"^\| \d+ \| (\w+) \| (.+) \| (yes|no) \| (.+) \|$", _section(facts, table), re.MULTILINE
    )
    return [
        (name, _full_type(kind, nullable), _default(text)) for name, kind, nullable, text in rows
    ]


def _full_type(kind: str, nullable: str) -> str:
    kind = kind.replace("LC(", "LowCardinality(")
    return f"Nullable({kind})" if nullable == "yes" else kind


def _default(text: str) -> str:
    """The kind of default alone where the facts describe the expression in words."""
    return "" if text == "type default" else text.split(":", maxsplit=1)[0]


@pytest.mark.parametrize("table", CLICKHOUSE_TABLES)
def test_clickhouse_columns_are_those_of_langfuse(facts: str, client: Client, table: str) -> None:
    expected = _clickhouse_columns(facts, table)
    query = (
        "SELECT name, type, trimBoth(concat(default_kind, ' ', default_expression)) "
        "FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
        "ORDER BY position"
    )

    actual = client.query(query, {"table": table}).result_rows

    assert len(expected) > 15
    shortened = [
        (name, kind, default.split()[0] if wanted == "MATERIALIZED" else default)
        for (name, kind, default), (_, _, wanted) in zip(actual, expected, strict=True)
    ]
    assert shortened == expected


@pytest.mark.parametrize("table", CLICKHOUSE_TABLES)
def test_clickhouse_engines_and_keys_are_those_of_langfuse(
    facts: str, client: Client, table: str
) -> None:
    keys = re.search(
        r"Engine `(.+?)`; partition by `(.+?)`; primary key `(.+?)`; sorting key `(.+?)`",
        _section(facts, table),
    )
    assert keys is not None
    query = (
        "SELECT engine_full, partition_key, primary_key, sorting_key "
        "FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
    )

    engine, partition, primary, sorting = client.query(query, {"table": table}).result_rows[0]

    assert engine.startswith(keys[1])
    assert (partition or "-", primary, sorting) == keys.groups()[1:]


def _postgres_tables(facts: str) -> list[str]:
    return re.findall(r"^### (\w+)$", facts.split("\n## Postgres", 1)[1], re.MULTILINE)[:-1]


def _postgres_columns(facts: str, table: str) -> set[tuple[str, str, str, str]]:
    rows = re.findall(
        r"^\| (\w+) \| (.+) \| (yes|no) \| (.+) \|$", _section(facts, table), re.MULTILINE
    )
    return {(name, kind, null, default) for name, kind, null, default in rows}


def test_postgres_columns_are_those_of_langfuse(facts: str, cursor: Cursor) -> None:
    tables = _postgres_tables(facts)
    # The catalogue's own spelling of a type, in the words of the facts.
    cursor.execute(
        r"""
        SELECT relname, attname,
            replace(replace(CASE WHEN typtype = 'e' THEN 'enum ' || typname
                ELSE format_type(atttypid, atttypmod) END,
                'timestamp(3) without time zone', 'timestamp(3)'), 'integer[]', 'int4[]'),
            CASE WHEN attnotnull THEN 'no' ELSE 'yes' END,
            coalesce(pg_get_expr(adbin, adrelid), '-')
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
        JOIN pg_type ON pg_type.oid = atttypid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
        """
    )
    actual = [row for row in cursor.fetchall() if row[0] not in OF_NO_EXPORT]

    assert len(tables) == 13
    assert {row[0] for row in actual} == set(tables)
    for table in tables:
        assert {row[1:] for row in actual if row[0] == table} == _postgres_columns(facts, table)


def test_postgres_keys_are_those_of_langfuse(facts: str, cursor: Cursor) -> None:
    cursor.execute(
        """
        SELECT conrelid::regclass::text, pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE contype IN ('p', 'u') AND connamespace = 'public'::regnamespace
        """
    )
    actual = {row for row in cursor.fetchall() if row[0] not in OF_NO_EXPORT}

    expected = set()
    for table in _postgres_tables(facts):
        keys = re.search(
            r"Primary key (\(.+?\))(?:; unique (.+))?\.$", _section(facts, table), re.M
        )
        assert keys is not None
        expected.add((table, f"PRIMARY KEY {keys[1]}"))
        expected |= {(table, f"UNIQUE {key}") for key in (keys[2] or "").split("; ") if key}
    assert actual == expected


def test_postgres_enums_are_those_of_langfuse(facts: str, cursor: Cursor) -> None:
    cursor.execute(
        "SELECT typname, string_agg(enumlabel, ', ' ORDER BY enumsortorder) "
        "FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY typname"
    )

    expected = dict(re.findall(r"^- `(\w+)`: ([A-Z_, ]+)$", facts, re.MULTILINE))
    assert len(expected) == 4
    assert dict(cursor.fetchall()) == expected


def test_costs_are_added_up_by_what_their_names_contain(client: Client) -> None:
    client.command(
        "INSERT INTO events_full (project_id, span_id, cost_details) VALUES ('costs', 's', "
        "{'input': 1, 'cached_INPUT': 2, 'output': 4, 'reasoning': 8, 'total': 15})"
    )

    query = (
        "SELECT calculated_input_cost, calculated_output_cost, calculated_total_cost, total_cost "
        "FROM {table:Identifier} WHERE project_id = 'costs'"
    )
    for table in ("events_full", "events_core"):
        sums = client.query(query, {"table": table}).result_rows[0]
        assert [int(value) for value in sums] == [3, 4, 7, 15]


def test_the_short_copy_of_events_is_cut_by_code_points(client: Client) -> None:
    client.command(
        "INSERT INTO events_full (project_id, span_id, input, output, metadata_names, "
        "metadata_values) SELECT 'cut', 's', repeat('é', 300), repeat('😀', 200), ['a', 'b'], "
        "[repeat('語', 201), '']"
    )

    query = (
        "SELECT input, output, metadata_values, input_length FROM {table:Identifier} "
        "WHERE project_id = 'cut'"
    )
    assert client.query(query, {"table": "events_core"}).result_rows == [
        ("é" * 200, "😀" * 200, ["語" * 200, ""], 200)
    ]
    assert client.query(query, {"table": "events_full"}).result_rows == [
        ("é" * 300, "😀" * 200, ["語" * 201, ""], 300)
    ]


def test_creating_the_tables_again_changes_nothing(stack: LocalStack, client: Client) -> None:
    create_clickhouse_tables(client)
    connection = psycopg2.connect(stack.addresses().database_url)
    create_postgres_tables(connection)
    connection.close()
