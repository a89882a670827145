"""The embedded engine: one data directory, one session per request, a bounded number of them."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError
from lf_export_localstack.clickhouse_server.insert_statement import (
    Insert,
    quote,
    quote_name,
    reads_inline_data,
    writes_to_file,
)
from lf_export_localstack.clickhouse_server.native import Connection, Counters
from lf_export_localstack.clickhouse_server.running_query import RunningQuery

CLOSE_SECONDS: Final = 5.0
_SERVER_DEFAULTS: Final = {"implicit_select": "0"}  # the engine's own default is that of a shell


class Engine:
    """The engine on one data directory, for as many parallel sessions as allowed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        max_sessions: int,
        wait_seconds: float,
        config_file: Path | None = None,
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._path = f"{data_dir}?config-file={config_file}" if config_file else str(data_dir)
        self._control = Connection(self._path)
        self._places = threading.BoundedSemaphore(max_sessions)
        self._max_sessions = max_sessions
        self._wait_seconds = wait_seconds
        self._running: dict[str, RunningQuery] = {}
        self._running_lock = threading.Lock()
        self.version = self._control.run("SELECT version()")[0].decode().strip()

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Gives a fresh session and waits for a free place when too many are open.

        Raises:
            ClickHouseError: TOO_MANY_SIMULTANEOUS_QUERIES when no place became free in time.
        """
        if not self._places.acquire(timeout=self._wait_seconds):
            text = f"Too many simultaneous queries. Maximum: {self._max_sessions}."
            raise ClickHouseError(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text)
        try:
            connection = Connection(self._path)
            try:
                yield Session(connection, self)
            finally:
                connection.close()
        finally:
            self._places.release()

    def new_query(self, query_id: str) -> RunningQuery:
        """Gives a query that has not been started.

        Args:
            query_id: the id the client knows it by.

        Raises:
            ClickHouseError: QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING.
        """
        with self._running_lock:
            if query_id in self._running:
                text = f"Query with id = {query_id} is already running."
                raise ClickHouseError(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", text)
            query = RunningQuery(query_id, kill=self._kill, forget=self._forget)
            self._running[query_id] = query
            return query

    def close(self) -> None:
        """Ends what still runs, waits for what is being written, and closes the data directory."""
        with self._running_lock:
            running = list(self._running.values())
        for query in running:
            query.cancel()
        deadline = time.monotonic() + CLOSE_SECONDS
        for _ in range(self._max_sessions):
            self._places.acquire(timeout=max(0.0, deadline - time.monotonic()))
        self._control.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _kill(self, marker: str) -> None:
        self._control.run(f"KILL QUERY WHERE endsWith(query, {quote(marker)}) ASYNC")

    def _forget(self, query_id: str) -> None:
        with self._running_lock:
            self._running.pop(query_id, None)


class Session:
    """One request's connection: its settings, database and temporary tables are nobody else's."""

    def __init__(self, connection: Connection, engine: Engine) -> None:
        self._connection = connection
        self._engine = engine
        self.set(_SERVER_DEFAULTS)

    def use(self, database: str) -> None:
        """Makes a database the one that unqualified names refer to."""
        self._connection.run(f"USE {quote_name(database)}")

    def set(self, settings: Mapping[str, str]) -> None:
        """Applies settings to this session.

        Args:
            settings: values as texts, as they stand in a URL; the engine converts and checks them.
        """
        if settings:
            pairs = (f"{quote_name(name)} = {quote(text)}" for name, text in settings.items())
            self._connection.run(f"SET {', '.join(pairs)}")

    def create_temporary_table(self, name: str, structure: str) -> None:
        """Creates a table only this session sees."""
        sql = f"CREATE TEMPORARY TABLE {quote_name(name)} ({structure}) ENGINE = Memory"
        self._connection.run(sql)

    def insert(self, insert: Insert, chunks: Iterable[bytes]) -> Counters:
        """Writes the rows of an INSERT; see ``Connection.insert``."""
        return self._connection.insert(f"{insert.sql}\n", insert.format, chunks)

    def start(
        self, sql: str, *, query_id: str, default_format: str, parameters: Mapping[str, str]
    ) -> RunningQuery:
        """Starts a statement; its output is read from the returned query, which is to be closed.

        Args:
            sql: one complete statement.
            query_id: the id the client knows it by.
            default_format: used when the statement names no format.
            parameters: see ``Connection.run``.

        Raises:
            ClickHouseError: the statement is one that a server does not run.
        """
        kind = self._connection.classify(sql)
        if kind.statements > 1:
            text = "Syntax error (Multi-statements are not allowed)"
            raise ClickHouseError(62, "SYNTAX_ERROR", text)
        if not kind.read_only:
            _check_writing(sql.encode())
        query = self._engine.new_query(query_id)
        query.start(
            self._connection,
            sql,
            default_format=default_format,
            read_only=kind.read_only,
            parameters=parameters,
        )
        return query


def _check_writing(sql: bytes) -> None:
    if writes_to_file(sql):
        raise ClickHouseError(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed")
    if reads_inline_data(sql):
        text = "INSERT … SELECT … FROM input(…): the embedded engine gets no data for it"
        raise ClickHouseError(48, "NOT_IMPLEMENTED", text)
