"""The embedded engine: one data directory, one session per request, results through a pipe.

chdb hands out a streamed result as one complete document per block, which cannot be joined for most
formats. So the engine writes the result itself, ``INTO OUTFILE`` a pipe of ours: the bytes are those a
server would send, in every format, and a reader that is slow slows the query down instead of filling
memory.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from lf_export_pipeline.local.clickhouse.errors import ClickHouseError
from lf_export_pipeline.local.clickhouse.statement import (
    Insert,
    output_clause,
    quote,
    quote_name,
    writes_to_file,
)

os.environ["TZ"] = "UTC"  # the engine takes its default time zone from here, once, when it loads

import chdb
from chdb import _chdb

DEFAULT_FORMAT: Final = "TabSeparated"
PIPE_BYTES: Final = 1 << 20
KILL_INTERVAL_SECONDS: Final = 0.05
_SERVER_DEFAULTS: Final = "SET implicit_select = 0"  # the engine's default is that of a shell
_UNFINISHED: Final = ClickHouseError(49, "LOGICAL_ERROR", "The query ended without a result")


@dataclass(frozen=True, slots=True)
class Counters:
    """What a statement has read and written so far; rows and bytes as in X-ClickHouse-Summary."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    total_rows_to_read: int = 0
    result_rows: int = 0
    result_bytes: int = 0


class Engine:
    """The engine on one data directory, for as many parallel sessions as allowed."""

    def __init__(self, data_dir: Path, *, max_sessions: int, wait_seconds: float) -> None:
        _chdb.set_signal_handlers_enabled(0)
        data_dir.mkdir(parents=True, exist_ok=True)
        self._path = str(data_dir)
        self._control = chdb.connect(self._path)
        self._control_lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(max_sessions)
        self._wait_seconds = wait_seconds
        self._max_sessions = max_sessions
        self._running: dict[str, RunningQuery] = {}
        self._running_lock = threading.Lock()
        self.version = self._ask("SELECT version()")

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Gives a fresh session and waits for a free place when too many are open.

        Raises:
            ClickHouseError: TOO_MANY_SIMULTANEOUS_QUERIES when no place became free in time.
        """
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise ClickHouseError(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                f"Too many simultaneous queries. Maximum: {self._max_sessions}.",
            )
        try:
            session = Session(chdb.connect(self._path), self)
            try:
                yield session
            finally:
                session.close()
        finally:
            self._slots.release()

    def register(self, query: "RunningQuery") -> None:
        """Notes a query that runs.

        Raises:
            ClickHouseError: QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING.
        """
        with self._running_lock:
            if query.query_id in self._running:
                text = f"Query with id = {query.query_id} is already running."
                raise ClickHouseError(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", text)
            self._running[query.query_id] = query

    def forget(self, query: "RunningQuery") -> None:
        """Removes a query that has ended."""
        with self._running_lock:
            self._running.pop(query.query_id, None)

    def kill(self, marker: str) -> None:
        """Asks the engine to end the query whose text ends with a marker; returns at once.

        Args:
            marker: see ``RunningQuery``; the engine lets nobody choose its own query ids.
        """
        self._ask(f"KILL QUERY WHERE endsWith(query, {quote(marker)}) ASYNC")

    def close(self) -> None:
        """Ends what still runs and closes the data directory, so that the next start finds it whole."""
        with self._running_lock:
            running = list(self._running.values())
        for query in running:
            query.cancel()
        with self._control_lock:
            self._control.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, sql: str) -> str:
        with self._control_lock:
            return str(self._control.query(sql, "TSVRaw").bytes().decode().strip())


class Session:
    """One request's connection: its settings, database and temporary tables are nobody else's."""

    def __init__(self, connection: Any, engine: Engine) -> None:
        self._connection = connection
        self._engine = engine
        self._execute(_SERVER_DEFAULTS)

    def use(self, database: str) -> None:
        """Makes a database the one that unqualified names refer to."""
        self._execute(f"USE {quote_name(database)}")

    def set(self, settings: Mapping[str, str]) -> None:
        """Applies settings to this session.

        Args:
            settings: values as texts, as they stand in a URL; the engine converts and checks them.
        """
        if settings:
            pairs = ", ".join(
                f"{quote_name(name)} = {quote(text)}" for name, text in settings.items()
            )
            self._execute(f"SET {pairs}")

    def create_temporary_table(self, name: str, structure: str) -> None:
        """Creates a table only this session sees."""
        self._execute(f"CREATE TEMPORARY TABLE {quote_name(name)} ({structure}) ENGINE = Memory")

    def insert(self, insert: Insert, chunks: Iterable[bytes]) -> Counters:
        """Writes rows given as bytes of an input format, in constant memory.

        Args:
            insert: the statement and its format.
            chunks: the data; where it is cut does not matter.

        Raises:
            ClickHouseError: the statement or the data was refused; nothing of the last block is kept.
        """
        with (
            _engine_errors(),
            self._connection.send_insert(insert.sql + "\n", insert.format) as stream,
        ):
            for chunk in chunks:
                stream.append(chunk)
            written = stream.finish()
        return Counters(written_rows=written.rows_written, written_bytes=written.bytes_written)

    def start(
        self, sql: str, *, query_id: str, default_format: str, parameters: Mapping[str, str]
    ) -> "RunningQuery":
        """Starts a statement; its output can be read from the returned query.

        Args:
            sql: one complete statement.
            query_id: the id the client knows it by.
            default_format: used when the statement names no format.
            parameters: values of ``{name:Type}`` places in ClickHouse's escaped (TSV) text form.
        """
        kind = self._connection._conn.classify_query(sql)  # noqa: SLF001  # the wrapper leaves it out
        if kind["statement_count"] > 1:
            raise ClickHouseError(
                62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)"
            )
        read_only = kind["query_class"] == _chdb.query_class.READ_ONLY
        if not read_only and writes_to_file(sql.encode()):
            raise ClickHouseError(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed")
        named = output_clause(sql.encode()).format if read_only else None
        query = RunningQuery(
            self._engine,
            query_id=query_id,
            format_name=named or default_format,
            read_only=read_only,
        )
        query.run(self._connection, self._redirected(sql, query) if read_only else sql, parameters)
        return query

    def close(self) -> None:
        """Gives the connection back."""
        self._connection.close()

    def _redirected(self, sql: str, query: "RunningQuery") -> str:
        position = output_clause(sql.encode()).position
        head, tail = sql.encode()[:position].decode(), sql.encode()[position:].decode()
        redirected = f"{head}\nINTO OUTFILE '{query.output_path}' APPEND COMPRESSION 'none'{tail}"
        parsed = self._connection._conn.classify_query(redirected)  # noqa: SLF001
        return redirected if parsed["statement_count"] == 1 else sql

    def _execute(self, sql: str) -> None:
        with _engine_errors():
            self._connection.query(sql)


class RunningQuery:
    """A statement that runs in a thread of its own and writes its output into a pipe.

    The engine chooses query ids itself, so the text ends with a comment by which KILL QUERY finds it.
    """

    def __init__(self, engine: Engine, *, query_id: str, format_name: str, read_only: bool) -> None:
        self.query_id = query_id
        self.format = format_name
        self.read_only = read_only
        self.counters = Counters()
        self.has_output = read_only
        self._engine = engine
        self._marker = f"/* query {os.urandom(8).hex()} */"
        self._error: ClickHouseError | None = _UNFINISHED
        engine.register(self)
        self.output, self._input = os.pipe()
        _enlarge(self._input)
        self._thread: threading.Thread | None = None

    @property
    def output_path(self) -> str:
        """The writing end of the pipe as a file name."""
        return f"/dev/fd/{self._input}"

    def run(self, connection: Any, sql: str, parameters: Mapping[str, str]) -> None:
        """Runs the statement in the background; the pipe ends when the statement has ended."""
        self._thread = threading.Thread(
            target=self._work,
            args=(connection, f"{sql}\n{self._marker}", dict(parameters)),
            daemon=True,
        )
        self._thread.start()

    def result(self) -> Counters:
        """Gives the final counters, once the output has been read to its end.

        Raises:
            ClickHouseError: the statement failed, at whatever point.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self.counters

    def cancel(self) -> None:
        """Ends the statement and waits until it has ended.

        Killing is repeated, because a statement that has only just been sent is not yet known by name.
        """
        while self._thread is not None and self._thread.is_alive():
            self._engine.kill(self._marker)
            self._thread.join(KILL_INTERVAL_SECONDS)

    def close(self) -> None:
        """Ends the statement if it still runs, and closes the pipe."""
        os.close(self.output)
        self.cancel()

    def _work(self, connection: Any, sql: str, parameters: dict[str, str]) -> None:
        try:
            connection.set_progress_callback(self._note_progress)
            with _engine_errors():
                answer = connection.query(sql, self.format, params=parameters)
            self._note_result(answer)
            self._write(answer.bytes())
            self._error = None
        except ClickHouseError as error:
            self._error = error
        finally:
            connection.set_progress_callback(None)
            self._engine.forget(self)
            os.close(self._input)

    def _note_progress(self, progress: Mapping[str, int]) -> None:
        self.counters = Counters(
            **{name: progress[name] for name in Counters.__slots__ if name in progress}
        )

    def _note_result(self, answer: Any) -> None:
        before = self.counters
        self.counters = Counters(
            read_rows=answer.storage_rows_read(),
            read_bytes=answer.storage_bytes_read(),
            written_rows=answer.rows_written(),
            written_bytes=answer.bytes_written(),
            total_rows_to_read=before.total_rows_to_read,
            result_rows=answer.rows_read(),
            result_bytes=answer.bytes_read(),
        )

    def _write(self, output: bytes) -> None:
        self.has_output = self.has_output or bool(output)
        view = memoryview(output)
        with suppress(BrokenPipeError):
            while view:
                view = view[os.write(self._input, view) :]


def _enlarge(descriptor: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, chdb.ChdbError) as error:
        raise ClickHouseError.from_engine(str(error)) from error
