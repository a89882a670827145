import pytest

from lf_export_localstack.clickhouse_server.insert_statement import (
    output_clause,
    quote,
    quote_name,
    reads_inline_data,
    split_insert,
    writes_to_file,
)


@pytest.mark.parametrize(
    ("sql", "format_name", "head"),
    [
        ("SELECT 1", None, "SELECT 1"),
        ("SELECT 1 ; -- end", None, "SELECT 1"),
        ("SELECT 1\n FORMAT Native", "Native", "SELECT 1"),
        ("select 1 format `CSV`;", "CSV", "select 1"),
        ("SELECT 1 /* FORMAT CSV */ FORMAT JSON -- x", "JSON", "SELECT 1"),
        ("SELECT f(1) FORMAT TSV SETTINGS max_threads = 1", "TSV", "SELECT f(1)"),
        ("SELECT 1 SETTINGS a = 1 FORMAT TSV", "TSV", "SELECT 1 SETTINGS a = 1"),
        ("SELECT ' FORMAT CSV'", None, "SELECT ' FORMAT CSV'"),
        ("SELECT 'it''s \\' FORMAT CSV'", None, "SELECT 'it''s \\' FORMAT CSV'"),
        ("SELECT $a$ ' FORMAT CSV $a$", None, "SELECT $a$ ' FORMAT CSV $a$"),
        ("SELECT format('{}', x)", None, "SELECT format('{}', x)"),
        ("SELECT format FROM t", None, "SELECT format FROM t"),
        ("SELECT * FROM (SELECT 1 FORMAT CSV)", None, "SELECT * FROM (SELECT 1 FORMAT CSV)"),
    ],
)
def test_the_format_clause_is_the_last_one_outside_of_brackets(
    sql: str, format_name: str | None, head: str
) -> None:
    clause = output_clause(sql.encode())
    assert (clause.format, sql[: clause.position]) == (format_name, head)


@pytest.mark.parametrize(
    ("body", "sql", "format_name", "data"),
    [
        (b"INSERT INTO t VALUES (1)", "INSERT INTO t", "Values", b" (1)"),
        (b"insert into values values(1)", "insert into values", "Values", b"(1)"),
        (b"INSERT INTO t (a) FORMAT TSV\n1\n2", "INSERT INTO t (a)", "TSV", b"1\n2"),
        (b"INSERT INTO t FORMAT TSV \r\n\n1", "INSERT INTO t", "TSV", b"\n1"),
        (b'INSERT INTO t FORMAT JSONEachRow {"a":1}', "INSERT INTO t", "JSONEachRow", b'{"a":1}'),
        (b"/* SELECT */ INSERT INTO db.format FORMAT Native\n\xff", None, "Native", b"\xff"),
        (b"INSERT INTO FUNCTION f('FORMAT x') FORMAT CSV\n1", None, "CSV", b"1"),
        (
            b"INSERT INTO t SETTINGS a = 1 FORMAT CSV\n1",
            "INSERT INTO t SETTINGS a = 1",
            "CSV",
            b"1",
        ),
        (b"INSERT INTO t", "INSERT INTO t", "Values", b""),
    ],
)
def test_the_data_of_an_insert_is_cut_from_its_sql(
    body: bytes, sql: str | None, format_name: str, data: bytes
) -> None:
    insert = split_insert(body)
    assert insert is not None
    assert sql is None or insert.sql == sql
    assert (insert.format, body[insert.data_start :]) == (format_name, data)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"SELECT 1",
        b"INSERT INTO t SELECT 1 FORMAT TSV",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"CREATE TABLE t (a Int8) ENGINE = Memory",
    ],
)
def test_everything_else_is_sql_to_its_end(body: bytes) -> None:
    assert split_insert(body) is None


def test_output_files_and_inline_data_are_recognised() -> None:
    assert writes_to_file(b"SELECT 1 into -- x\n outfile 'x'")
    assert not writes_to_file(b"SELECT ' INTO OUTFILE '")
    assert reads_inline_data(b"INSERT INTO t SELECT * FROM input ('x Int8') FORMAT TSV")
    assert not reads_inline_data(b"INSERT INTO t SELECT input FROM (SELECT 1 AS input)")


def test_quoting_leaves_no_way_out() -> None:
    assert quote("a'b\\") == "'a\\'b\\\\'"
    assert quote_name("a`b\\") == "`a\\`b\\\\`"
