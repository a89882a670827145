"""Langfuse's tables, as far as batch exports need them, created in empty databases."""

import re
from importlib import resources
from typing import TYPE_CHECKING

from clickhouse_connect.driver.client import Client

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PostgresConnection  # noqa: N812

TABLES_FILE = "clickhouse.sql"
_COMMENT = re.compile(r"^--.*$", re.MULTILINE)


def sql_text(name: str) -> str:
    """The text of one of this package's SQL files."""
    return resources.files("lf_export_localstack").joinpath("sql", name).read_text("utf-8")


def clickhouse_statements(name: str = TABLES_FILE) -> list[str]:
    """The statements of one of this package's SQL files, in order, for one request each."""
    text = _COMMENT.sub("", sql_text(name))
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def create_clickhouse_tables(client: Client) -> None:
    """Creates the tables that are missing in the client's database; harmless when repeated."""
    for statement in clickhouse_statements():
        client.command(statement)


def create_postgres_tables(connection: "PostgresConnection") -> None:
    """Creates all tables in one transaction; of those that exist only what was added later.

    Args:
        connection: to Langfuse's database; committed here.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.batch_exports') IS NOT NULL")
        (exists,) = cursor.fetchone() or (False,)
        if not exists:
            cursor.execute(sql_text("postgres.sql"))
        cursor.execute(sql_text("postgres_added.sql"))
