"""The shared servers with databases, object keys and a spool that nobody else uses."""

import secrets
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
from psycopg2.sql import SQL, Composable, Identifier

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sql.schema import create_clickhouse_tables, create_postgres_tables
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_localstack.stack.stack_addresses import PREFIX, StackAddresses


class IsolatedStack(LocalStack):
    """A stack to those who use it: a daemon takes every row that waits in it, and only those.

    The servers, their passwords and the inbox are those of the shared stack; who stops a server, or
    looks at whole logs, needs a ``LocalStack`` of its own.
    """

    def __init__(self, shared: LocalStack, folder: Path) -> None:
        """Create the databases, with Langfuse's tables in them.

        Args:
            shared: The stack that runs the servers.
            folder: For the spool.
        """
        super().__init__(shared.state_dir)
        name = f"isolated_{secrets.token_hex(6)}"
        self._addresses = replace(
            shared.addresses(),
            spool=folder / "spool",
            langfuse_database=name,
            dagster_database=f"{name}_dagster",
            clickhouse_database=name,
            prefix=f"{PREFIX}{name}/",
        )
        self._addresses.spool.mkdir()
        for database in self._postgres_databases:
            self._administer(SQL("CREATE DATABASE {}").format(Identifier(database)))
        with closing(psycopg2.connect(self._addresses.database_url)) as connection:
            create_postgres_tables(connection)
        with clickhouse_client(shared.addresses()) as client:
            client.command(f"CREATE DATABASE {name}")
        with clickhouse_client(self._addresses) as client:
            create_clickhouse_tables(client)

    def addresses(self) -> StackAddresses:
        """Where the servers are, and what is this stack's own on them."""
        return self._addresses

    def destroy(self) -> None:
        """Remove the databases; objects and e-mails stay, under keys and names of their own."""
        for database in self._postgres_databases:
            self._administer(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(database)))
        with clickhouse_client(replace(self._addresses, clickhouse_database="default")) as client:
            client.command(f"DROP DATABASE {self._addresses.clickhouse_database}")

    @property
    def _postgres_databases(self) -> tuple[str, str]:
        return self._addresses.langfuse_database, self._addresses.dagster_database

    def _administer(self, statement: Composable) -> None:
        with closing(psycopg2.connect(self._addresses.postgres_url("postgres"))) as connection:
            connection.autocommit = True  # databases are not made in a transaction
            with connection.cursor() as cursor:
                cursor.execute(statement)
