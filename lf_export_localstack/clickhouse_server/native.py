"""The one module that touches chdb: typed calls, its errors and counters as ClickHouse's."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError

os.environ["TZ"] = "UTC"  # the engine takes its default time zone from here, once, when it loads

import chdb
from chdb import _chdb

_chdb.set_signal_handlers_enabled(0)  # type: ignore[attr-defined]  # missing in its stub
_READ_ONLY: Final = _chdb.query_class.READ_ONLY  # type: ignore[attr-defined]  # missing in its stub


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


@dataclass(frozen=True, slots=True)
class StatementKind:
    """What the parser says about a text: how many statements, and whether they only read."""

    statements: int
    read_only: bool


class Connection:
    """A connection of its own settings, database and temporary tables; one statement at a time."""

    def __init__(self, path: str) -> None:
        with _engine_errors():
            self._connection: Any = chdb.connect(path)  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()

    def run(
        self,
        sql: str,
        format_name: str = "TSVRaw",
        parameters: Mapping[str, str] | None = None,
        progress: Callable[[Counters], None] | None = None,
    ) -> tuple[bytes, Counters]:
        """Runs a statement to its end.

        Args:
            sql: one statement.
            format_name: of its output, unless the statement names one.
            parameters: values of ``{name:Type}`` places in ClickHouse's escaped (TSV) text form.
            progress: called about ten times a second.

        Returns:
            Its output and what it has read and written.

        Raises:
            ClickHouseError: it failed.
        """
        with self._lock, _engine_errors():
            self._connection.set_progress_callback(progress and _translated(progress))
            answer = self._connection.query(sql, format_name, params=dict(parameters or {}))
            return answer.bytes(), _counters(answer)

    def insert(self, sql: str, format_name: str, chunks: Iterable[bytes]) -> Counters:
        """Writes rows given as bytes of an input format, in constant memory.

        Args:
            sql: an INSERT without FORMAT.
            format_name: of the data.
            chunks: the data; where it is cut does not matter.

        Raises:
            ClickHouseError: the statement or the data was refused.
        """
        with self._lock, _engine_errors(), self._connection.send_insert(sql, format_name) as stream:
            for chunk in chunks:
                stream.append(chunk)
            written = stream.finish()
        return Counters(written_rows=written.rows_written, written_bytes=written.bytes_written)

    def classify(self, sql: str) -> StatementKind:
        """Parses a text without running it; a text that does not parse has no statement."""
        with self._lock:
            found = self._connection._conn.classify_query(sql)  # noqa: SLF001  # not wrapped yet
        return StatementKind(found["statement_count"], found["query_class"] == _READ_ONLY)

    def close(self) -> None:
        """Gives the connection back; the data directory is closed with the last one."""
        self._connection.close()


def _counters(answer: Any) -> Counters:
    return Counters(
        read_rows=answer.storage_rows_read(),
        read_bytes=answer.storage_bytes_read(),
        written_rows=answer.rows_written(),
        written_bytes=answer.bytes_written(),
        total_rows_to_read=answer.storage_rows_read(),
        result_rows=answer.rows_read(),
        result_bytes=answer.bytes_read(),
    )


def _translated(progress: Callable[[Counters], None]) -> Callable[[Mapping[str, int]], None]:
    def note(known: Mapping[str, int]) -> None:
        progress(Counters(**{name: known[name] for name in Counters.__slots__ if name in known}))

    return note


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, chdb.ChdbError) as error:
        raise ClickHouseError.from_engine(str(error)) from error
