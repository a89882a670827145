"""Writing many rows into the embedded databases at once."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import clickhouse_connect
import psycopg2
from clickhouse_connect.driver.client import Client
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812
from psycopg2.sql import SQL, Identifier

from lf_export_localstack.processes.tcp_ports import HOST
from lf_export_localstack.stack.stack_addresses import StackAddresses


@contextmanager
def clickhouse_client(addresses: StackAddresses) -> Iterator[Client]:
    """A client of the stack's ClickHouse, closed at the end."""
    with clickhouse_connect.get_client(
        host=HOST,
        port=addresses.clickhouse_port,
        username=addresses.credentials.clickhouse_user,
        password=addresses.credentials.clickhouse_password,
        database=addresses.clickhouse_database,
        autogenerate_session_id=False,
    ) as client:
        yield client


@contextmanager
def postgres_transaction(addresses: StackAddresses) -> Iterator[PostgresConnection]:
    """A connection to Langfuse's database, committed at the end unless an exception ends it."""
    connection = psycopg2.connect(addresses.database_url)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def insert_clickhouse_batch(client: Client, table: str, rows: Sequence[str]) -> None:
    """One INSERT, hence one part per partition, whose rows stay as they are.

    Args:
        client: of the database.
        table: a name of ours, never a user's text.
        rows: JSON objects by column name; instants in ISO 8601.
    """
    client.raw_insert(
        table,
        insert_block="\n".join(rows),
        fmt="JSONEachRow",
        settings={
            # Equal keys within one insert would be reduced to their newest version on the way in.
            "optimize_on_insert": 0,
            "async_insert": 0,
            "date_time_input_format": "best_effort",
        },
    )


def insert_postgres_rows(connection: PostgresConnection, table: str, rows: Iterable[str]) -> None:
    """Inserts JSON objects by column name; a column that is not named gets its default.

    Postgres itself reads the JSON, so every type it has arrives as written.
    """
    for columns, group in _by_columns(rows).items():
        statement = SQL(
            "INSERT INTO {table} ({columns}) "
            "SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)"
        ).format(table=Identifier(table), columns=SQL(", ").join(map(Identifier, columns)))
        with connection.cursor() as cursor:
            cursor.execute(statement, (f"[{','.join(group)}]",))


def _by_columns(rows: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        groups[tuple(json.loads(row))].append(row)
    return groups
